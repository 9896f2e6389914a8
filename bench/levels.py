"""Ten, a hundred, a thousand and five thousand users against the memory server through the layers: right answers and p95 of each level.

    python bench/levels.py [--seconds 60] [--only c10,c100] [--json PATH]

Memory server, layers (`slipstream run` with the sample policies) and two runners are processes of their own; the load is
manifests/samples/loadtests/levels.yaml, with its stages shortened to --seconds (ramp and settling in proportion). Nobody is pinned to a
core: all of them share the machine, so a figure is one of this machine and of what else it does. Prints `bar` lines.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

import yaml

import bars
import shorten
from slipstream_api.load import to_resource
from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.demo.children import Children
from slipstream_cli.measure import Measured, measure, routes_of
from slipstream_loadtest.runner.__main__ import raise_descriptor_limit

SAMPLES: Final = Path(__file__).parents[1] / "manifests" / "samples"
LEVELS: Final = SAMPLES / "loadtests" / "levels.yaml"
SERVER_READY: Final = 120.0  # it reads the standard library's docstrings first
HOST: Final = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def runs(control: Path) -> bool:
    try:
        return bool(admin.get(control, "/status")["revision"])
    except (admin.NotRunning, ValueError):
        return False


def run(test: Resource, folder: Path) -> Measured:
    """Server, layers, load."""
    control, port = folder / "socket", free_port()
    with Children(folder) as children:
        children.start("memory-server", "-m", "memory_server", "--port", str(port), "--db", str(folder / "memory.db"))
        children.wait_until("memory-server", lambda: answers(f"http://{HOST}:{port}/healthz"), SERVER_READY)
        upstream, listen = f"memory={HOST}:{port}", f"memory={free_port()}"
        arguments = ("run", "-f", str(SAMPLES), "--upstream", upstream, "--listen", listen, "--socket", str(control))
        children.start("layers", "-m", "slipstream_cli.main", *arguments)
        children.wait_until("layers", lambda: runs(control), 20.0)
        assert isinstance(test.spec, LoadTestSpec)
        return measure(test, routes_of(test.spec, control), test.spec.runners.count)


def lines(measured: Measured) -> list[bars.Bar]:
    """Success and p95 of each level against the test's own bounds."""
    found = []
    for row in measured.verdict.thresholds:
        value = row.observed if row.observed is not None else float("inf")
        assert row.max is not None
        if row.metric == "errors.percent":
            found.append(bars.Bar(f"levels-{row.stage}-success", 100 - value, "%", ">=", 100 - row.max))
        elif row.metric == "latency.p95":
            found.append(bars.Bar(f"levels-{row.stage}-p95", value, "ms", "<=", row.max))
        else:
            found.append(bars.Bar("levels-wrong", value, "", "<=", row.max))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=shorten.SAMPLE_SECONDS, help="length of each stage")
    parser.add_argument("--only", default="", help="names of stages, with commas between")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    given = parser.parse_args()
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="levels-") as name:
        folder = Path(name)
        only = set(filter(None, given.only.split(",")))
        test = to_resource(shorten.shortened(yaml.safe_load(LEVELS.read_text()), given.seconds, only))
        began = time.monotonic()
        measured = run(test, folder)
    print(f"verdict {measured.verdict.result} after {time.monotonic() - began:.0f} s")
    for reason in measured.verdict.reasons:
        print(f"  {reason.code}: {reason.message}")
    found = lines(measured)
    if given.json is not None:
        given.json.write_text(json.dumps({bar.name: bar.value for bar in found}, indent=1) + "\n")
    return bars.judge(found)


if __name__ == "__main__":
    sys.exit(main())
