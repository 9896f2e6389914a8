"""`slipstream top`: looks at a running `slipstream run` again and again, and shows what it does. Computes and lays out nothing itself."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from slipstream_cli import admin
from slipstream_cli.console import Exit, fail, out
from slipstream_cli.inspect import Socket
from slipstream_cli.top_rates import Rates, Sample, rates, read
from slipstream_cli.top_view import view, waiting

SHORTEST = 0.1  # seconds; looking costs the data path a millisecond or so


def top(
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Time between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look over one interval, then end.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="text, or json: one look, for a script")] = "text",
    socket: Socket = None,
) -> None:
    """Shows live what a running `slipstream run` does: requests, errors, hits, p95, connections and circuits, per second.

    Of each pool, and of its operations: method and path of the most specific rule that matched, the 20 busiest (with -o json all of them).
    Figures are of the last interval, not since the start as in `slipstream status`. P95 is estimated from the histogram's buckets; a hit
    counts as shorter than its first bound. Where nobody looks at a terminal, each interval's tables are printed below each other.

    With --once, and with -o json, it looks twice, the interval apart, shows what happened between, and ends.

    Ctrl-C ends it. Exit codes: 0 ended, 2 usage or nothing runs, 130 Ctrl-C before the one look of --once or -o json.

    Example: slipstream top --interval 1
    """
    if output not in ("text", "json"):
        fail(f"-o {output}: write text or json")
    once = once or output == "json"
    if not SHORTEST <= interval <= 3_600:
        fail(f"--interval {interval:g}: write seconds, at least {SHORTEST:g}")
    place: Path = socket or admin.default_socket()
    try:
        if once:
            _once(place, interval, output)
        elif sys.stdout.isatty() and not out.is_dumb_terminal:
            _live(place, interval)
        else:
            _lines(place, interval)
    except KeyboardInterrupt:
        raise typer.Exit(int(Exit.ABORTED if once else Exit.OK)) from None
    except (admin.NotRunning, ValueError) as error:
        fail(str(error))


def _once(place: Path, interval: float, output: str) -> None:
    found = Looks(place).next(interval)
    if output == "json":
        out.print_json(json.dumps(msgspec.to_builtins(found)))
    else:
        out.print(view(found))


def _lines(place: Path, interval: float) -> None:
    looks = Looks(place)
    while True:
        out.print(view(looks.next(interval)))


def _live(place: Path, interval: float) -> None:
    """On the terminal's other screen, whose size is asked for each time; the last tables stay on the first one."""
    looks = Looks(place)
    console = Console(highlight=False)
    shown: Rates | None = None
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    shown = looks.next(interval if shown else min(interval, 1.0))
                except admin.NotRunning:
                    live.update(waiting(str(place)), refresh=True)
                    looks.wait(interval)
                else:
                    live.update(view(shown), refresh=True)
    finally:
        if shown is not None:
            console.print(view(shown))


class Looks:
    """One look after the other; what is shown is what happened between two."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._last, self._at = self._look(), time.monotonic()

    def next(self, interval: float) -> Rates:
        """What happened in the `interval` that begins with the last look; raises NotRunning."""
        time.sleep(max(0.0, self._at + interval - time.monotonic()))
        before, began = self._last, self._at
        self._at = time.monotonic()  # where it raises, the next interval begins here too
        self._last = self._look()
        return rates(before, self._last, self._at - began)

    def wait(self, interval: float) -> None:
        """Until somebody runs there; with what it has done, the next interval begins."""
        while True:
            time.sleep(interval)
            try:
                self._last, self._at = self._look(), time.monotonic()
            except admin.NotRunning:
                continue
            return

    def _look(self) -> Sample:
        status = admin.get(self._place, "/status")
        metrics = admin.body(self._place, "/metrics").decode()
        try:
            return read(status, metrics)
        except msgspec.ValidationError as error:
            raise ValueError(f"the status of another version, which this one can't read: {error}") from None
