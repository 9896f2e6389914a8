"""`slipstream demo`: starts the example server and the layers, measures with and without, says what changed, leaves nothing running."""

from __future__ import annotations

import contextlib
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.console import Exit, err, fail, out, table
from slipstream_cli.demo.children import ChildFailed, Children, rss_bytes
from slipstream_cli.demo.figures import figures, table_rows
from slipstream_cli.inspect import reused
from slipstream_cli.loadtest import choose
from slipstream_cli.measure import CannotMeasure, Measured, measure, routes_of
from slipstream_cli.sources import Source, SourceError
from slipstream_loadtest.report import as_json

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
SERVER_READY = 60.0  # seconds: it reads the standard library once


def demo(
    samples: Annotated[Path, typer.Option("--samples", help="Folder with the policies and the load test.")] = SAMPLES,
) -> None:
    """Shows on this machine, in under two minutes, what the sample policies are worth: no cluster, nothing left running.

    Starts the example memory server and `slipstream run`, then the same load directly and through the layers, in turns.

    Exit codes: 0 as promised, 1 less than promised (with the figures), 2 usage.
    """
    if not samples.is_dir():
        fail(f"{samples} isn't there: run the demo from a checkout, or name a folder with --samples")
    _end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="slipstream-demo-") as name, Children(Path(name)) as children:
        try:
            measured, reuse, memory = _measure(children, samples, Path(name))
        except (ChildFailed, SourceError, CannotMeasure) as error:
            fail(str(error), Exit.PROBLEMS)
    raise typer.Exit(int(_show(measured, reuse, memory)))


def _end_on_sigterm() -> None:
    """SIGTERM unwinds like Ctrl-C, so that the children are ended and the folder is removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def _measure(children: Children, samples: Path, folder: Path) -> tuple[Measured, float, tuple[int, int]]:
    """Server, layers, load: the judged run, the share of reused connections, and the memory of both sides."""
    test = choose(Source((samples,)), "")
    control = folder / "slipstream.sock"
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
    pool = admin.get(control, "/status")["pools"][0]
    memory = rss_bytes(server.pid), rss_bytes(server.pid) + rss_bytes(layers.pid)
    return measured, reused(pool["connections"]) or 0.0, memory


def _show(measured: Measured, reuse: float, memory: tuple[int, int]) -> Exit:
    document = as_json(measured.plan, measured.result, measured.verdict)
    columns = ("", "DIRECT", "THROUGH THE LAYERS", "CHANGE [95 %]", "VERDICT")
    out.print(table("The same load, directly and through the layers", columns, table_rows(document, reuse, memory)))
    for reason in document["reasons"]:
        out.print(f"{reason['code']}: {reason['message']}")
    shown = figures(document, reuse)
    for line in shown.missed():
        err.print(f"[red]less than promised:[/red] {line}")
    out.print(shown.line())
    return Exit.PROBLEMS if shown.missed() else Exit.OK


def _described(test: Resource) -> str:
    spec = test.spec
    assert isinstance(spec, LoadTestSpec)
    stages = ", ".join(f"{s.users} users for {s.duration}" for s in spec.stages)
    words = sum(len(d.values) for d in spec.data)
    weights = ", ".join(f"{s.weight} {s.name}" for s in spec.scenarios)
    turns = f"{spec.comparison.repeats} times on each side in turns"
    return f"{stages}, {turns}; {weights}; {words} words, a session for each user; every answer is checked"


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
