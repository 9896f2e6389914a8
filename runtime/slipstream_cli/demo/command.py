"""`slipstream demo`: starts the example server and the layers, measures with and without, says what changed, leaves nothing running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.console import Exit, err, escape, fail, out, table
from slipstream_cli.demo.children import ChildFailed, Children, rss_bytes
from slipstream_cli.demo.figures import NothingToShow, aborted, figures, table_rows
from slipstream_cli.inspect import reused
from slipstream_cli.loadtest import choose
from slipstream_cli.measure import CannotMeasure, Measured, measure, routes_of
from slipstream_cli.sources import Source, SourceError
from slipstream_loadtest.report.document import as_json

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
FOLDER = "slipstream-demo-"
LONGEST_PLACE = 103 - len("/slipstream-demo-4194304-12345678/socket")
SERVER_READY = 60.0  # seconds: it reads the standard library once
MEANING = (
    "Medians of the repeats. Hit rate: of the answers, by their Cache-Status. Connection reuse: of the layers' calls to the server.\n"
    "Memory: of the server; of server and layers."
)


def demo(
    samples: Annotated[Path, typer.Option("--samples", help="Folder with the policies and the load test.")] = SAMPLES,
) -> None:
    """Shows on this machine, in under two minutes, what the sample policies are worth: no cluster, nothing left running.

    Starts the example memory server and `slipstream run`, then sends the sample load test's load directly and through the layers, in turns.
    Hit rate: from the Cache-Status of the answers. Connection reuse: of the layers' connections to the server, from their own status.

    Exit codes: 0 as promised; 1 less than promised, with the figures, or it couldn't be measured; 2 usage; 130 ended by Ctrl-C.

    Example: slipstream demo
    """
    if not samples.is_dir():
        fail(f"{samples} isn't there: run the demo from a checkout of the repository, or name a folder with --samples")
    if find_spec("memory_server") is None:
        fail("the example memory server isn't installed: run the demo from a checkout (`make demo`)")
    _end_on_signals()
    place = _place()
    remove_leftovers(place)
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", dir=place) as name, Children(Path(name)) as children:
        try:
            measured, reuse, memory = _measure(children, samples, Path(name))
        except (ChildFailed, SourceError, CannotMeasure) as error:
            fail(str(error), Exit.PROBLEMS)
    raise typer.Exit(int(_show(as_json(measured.plan, measured.result, measured.verdict), reuse, memory)))


def _place() -> Path:
    """$TMPDIR, unless a socket's path in there would be longer than the kernel takes (107 bytes on Linux, 103 on macOS)."""
    place = Path(tempfile.gettempdir())
    return place if len(os.fsencode(place)) < LONGEST_PLACE else Path("/tmp")  # noqa: S108 - the folder made in there is ours alone


def remove_leftovers(folder: Path) -> None:
    """Folders of demos that were killed by SIGKILL, which leaves no time to remove them. Their names say whose they are."""
    for path in folder.glob(f"{FOLDER}*"):
        pid = path.name.removeprefix(FOLDER).partition("-")[0]
        if pid.isdecimal() and path.stat().st_uid == os.getuid() and not Path("/proc", pid).exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)


def _end_on_signals() -> None:
    """SIGTERM and a closed terminal unwind like Ctrl-C, so that the children are ended and the folder is removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def _measure(children: Children, samples: Path, folder: Path) -> tuple[Measured, float, tuple[int, int]]:
    """Server, layers, load: the judged run, the share of reused connections, and the memory of both sides."""
    test = choose(Source((samples,)), "")
    control = folder / "socket"
    port = free_port()
    with _step("memory server: reads the docstrings of Python's standard library"):
        server = children.start("memory-server", "-m", "memory_server", "--port", str(port), "--db", str(folder / "memory.db"))
        children.wait_until("memory-server", lambda: _answers(f"http://127.0.0.1:{port}/healthz"), SERVER_READY)
    with _step(f"layers: slipstream run -f {samples}"):
        upstream = f"memory=127.0.0.1:{port}"
        arguments = ("run", "-f", str(samples), "--upstream", upstream, "--listen", f"memory={free_port()}", "--socket", str(control))
        layers = children.start("layers", "-m", "slipstream_cli.main", *arguments)
        children.wait_until("layers", lambda: _runs(control), 20.0)
    err.print(f"load: {_described(test)}")
    assert isinstance(test.spec, LoadTestSpec)
    measured = measure(test, routes_of(test.spec, control), None)
    _end_on_signals()  # measuring has put them back to their defaults
    pool = admin.get(control, "/status")["pools"][0]
    memory = rss_bytes(server.pid), rss_bytes(server.pid) + rss_bytes(layers.pid)
    return measured, reused(pool["connections"]) or 0.0, memory


def _show(document: dict[str, Any], reuse: float, memory: tuple[int, int]) -> Exit:
    if aborted(document):
        err.print("[red]ended early:[/red] there are no figures")
        return Exit.ABORTED
    try:
        shown, rows = figures(document, reuse), table_rows(document, reuse, memory)
    except NothingToShow as error:
        err.print(f"[red]nothing to show:[/red] {escape(str(error))}")
        return Exit.PROBLEMS
    out.print(table("The same load, directly and through the layers", ("", "DIRECT", "LAYERS", "CHANGE [95 %]", "VERDICT"), rows))
    out.print(MEANING)
    for reason in document["reasons"]:
        if reason["code"] == "GeneratorSaturated":
            out.print(escape(f"This machine was busy with something else, so the figures are rough: {reason['message']}"))
    for line in shown.missed():
        err.print(f"[red]less than promised:[/red] {escape(line)}")
    out.print(shown.line())
    return Exit.PROBLEMS if shown.missed() else Exit.OK


def _described(test: Resource) -> str:
    """The load in words: nobody should have to guess what the figures are of."""
    spec = test.spec
    assert isinstance(spec, LoadTestSpec)
    stages = ", ".join(f"{f'{s.users} users' if s.users else f'{s.rate_per_second} calls a second'} for {s.duration}" for s in spec.stages)
    total = sum(s.weight for s in spec.scenarios)
    mix = ", ".join(f"{100 * s.weight / total:.4g} % {s.name}" for s in spec.scenarios)
    lists = ", ".join(f"{len(d.values or ())} of {d.name}" for d in spec.data)
    turns = f"{spec.comparison.repeats} times on each side in turns, no pause between calls"
    return f"{stages}, {turns}; {mix}; drawn from {lists}; a session for each user; who asked and what is checked in every answer"


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    err.print(f"{what} …")
    yield


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310 - a URL of our own
            return bool(answer.status == 200)
    except OSError:
        return False


def _runs(control: Path) -> bool:
    try:
        return bool(admin.get(control, "/status")["revision"])
    except (admin.NotRunning, ValueError):
        return False
