"""What the load generator promises, measured: each line prints its bar and what was found; ends with 1 where one is missed.

    make bench-loadtest [BENCH_ARGS="--only compare,open --rounds 5 --seconds 5 --against wrk,k6 --quick"]

compare   closed model, 64 users, all accounting on, against k6, Locust and wrk in turn: medians of interleaved rounds
open      10,000 arrivals a second for 30 s: how late they start, how many find no room
quantiles p50 to p99.9 of the histogram against the exact ones of the same run's raw values
memory    5,000 users for 60 s: the generator's resident memory and its growth; then the growth over a million requests of 64 users

Generators have one core, the server (nginx where it is, else a constant answer) another. The bars of `compare` are on requests per second
of the generator's own CPU: that is what a core can do, whoever else works on the machine; on a machine of its own the ratios of
wall-clock time, printed beside them, are the same unless the server is what limits them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import bars
import peers
from loadtest import contenders
from servers import Servers, memory_mb

COMPARED: Final = {"k6": (4.0, 6.0), "locust": (10.0, 10.0), "wrk": (0.45, 0.7)}  # bar, aim
NGINX: Final = """server {{ listen 127.0.0.1:{port} backlog=8192 reuseport; keepalive_timeout 1h; default_type application/json;
  location / {{ add_header Cache-Status "slipstream; hit"; return 200 '{body}'; }} }}"""
MILLION: Final = 1_000_000


@contextmanager
def target(many: bool = False) -> Iterator[str]:
    """The URL of a server on the other core; this process, and what it starts, has its own. nginx of peers.py takes 4,096 connections."""
    with Servers() as servers:
        port = servers.port("target")
        if shutil.which("nginx") and not many:
            http = NGINX.format(port=port, body="x" * 100)
            servers.start("target", servers.proxy_core, peers.nginx(servers.folder, "target", http))
        else:
            servers.start("target", servers.proxy_core, [sys.executable, "-m", "loadtest.constant", str(port)], contenders.environment())
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {servers.load_core})
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.sched_setaffinity(0, cores)


def compare(chosen: argparse.Namespace) -> list[bars.Bar]:
    found = contenders.available(chosen.against)
    measured: dict[str, list[contenders.Measured]] = {name: [] for name in found}
    with target() as url:
        for _ in range(chosen.rounds):
            for name, contend in found.items():
                one = contend(url, 64, chosen.seconds)
                measured[name].append(one)
                print(f"  {name:8} {one.rate:9.0f} requests/s  {one.per_cpu_second:9.0f} per CPU second", flush=True)
    wall = {name: statistics.median(one.rate for one in several) for name, several in measured.items()}
    cpu = {name: statistics.median(one.per_cpu_second for one in several) for name, several in measured.items()}
    lines = []
    for name in chosen.against:
        bar, aim = COMPARED[name]
        print(
            f"  ours / {name}: {wall['ours'] / wall[name]:.2f} wall-clock, {cpu['ours'] / cpu[name]:.2f} by CPU (aim {aim:g})", flush=True
        )
        lines.append(bars.Bar(f"closed.over_{name}", cpu["ours"] / cpu[name], "x", ">=", bar))
    return lines


def open_model(chosen: argparse.Namespace) -> list[bars.Bar]:
    seconds = 5 if chosen.quick else 30
    with target() as url:
        found = contenders.generator(url=url, rate=10_000, seconds=seconds)
    lag = found["start_lag_ms"]
    print(
        f"  {found['offered']} offered, {found['cpu_percent']:.0f} % CPU, start lag p50 {lag['p50']:.2f}, p95 {lag['p95']:.2f} ms",
        flush=True,
    )
    print(f"  for {found['waited_for_cpu']:.1f} of {seconds} s something else had the generator's core: that lag isn't its own", flush=True)
    return [
        bars.Bar("open.start_lag_p99", lag["p99"], "ms", "<", 2),
        bars.Bar("open.dropped", found["dropped"], "", "=", 0),
        bars.Bar("open.failed", found["failed"], "", "=", 0),
    ]


def quantiles(chosen: argparse.Namespace) -> list[bars.Bar]:
    with target() as url:
        found = contenders.generator(url=url, users=64, seconds=chosen.seconds, raw=True)
    print(f"  over {found['completed']} calls", flush=True)
    return [bars.Bar(f"quantiles.{name}_off", off, "%", "<", 1) for name, off in found["quantile_errors"].items()]


def memory(chosen: argparse.Namespace) -> list[bars.Bar]:
    with target(many=True) as url:
        highest, growth, found = watched(url, 5_000, 10 if chosen.quick else 60)
    lines = [
        bars.Bar("memory.users_5000", highest, "MB", "<", 200),
        bars.Bar("memory.users_5000_growth", growth, "%", "<", 5),
        bars.Bar("memory.users_5000_failed", found["failed"], "", "=", 0),
    ]
    with target() as url:
        rate = contenders.generator(url=url, users=64, seconds=2)["rate"]
        _, growth, found = watched(url, 64, min(120, (MILLION / 20 if chosen.quick else MILLION) / rate))
    print(f"  {found['offered']} requests of 64 users", flush=True)
    return [*lines, bars.Bar("memory.many_requests_growth", growth, "%", "<", 5)]


def watched(url: str, users: int, seconds: float) -> tuple[float, float, dict[str, float]]:
    """One run's highest resident memory in MB, its growth from the median of the second quarter to that of the last, and what it found."""
    process = contenders.start(url=url, users=users, seconds=seconds)
    samples = []
    while process.poll() is None:
        samples.append(seen) if (seen := _memory(process)) else None
        time.sleep(0.25)
    found = contenders.finished(process)
    quarter = max(1, len(samples) // 4)
    early, late = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
    print(f"  {users} users: {early:.1f} MB early, {late:.1f} MB late, {max(samples):.1f} MB at most", flush=True)
    return max(samples), (late / early - 1) * 100, found


def _memory(process: subprocess.Popen[str]) -> float:
    try:
        return memory_mb(process.pid)
    except (OSError, AssertionError):  # it has just ended
        return 0.0


LINES: Final[dict[str, Callable[[argparse.Namespace], list[bars.Bar]]]] = {
    "compare": compare,
    "open": open_model,
    "quantiles": quantiles,
    "memory": memory,
}


def names(allowed: list[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: one or more of {','.join(allowed)}")
        return text.split(",")

    return read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names(list(LINES)), default=list(LINES))
    parser.add_argument("--against", type=names(list(COMPARED)), default=list(COMPARED))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--quick", action="store_true", help="shorter runs, for trying the bench itself")
    chosen = parser.parse_args()
    found = []
    for name in chosen.only:
        print(f"== {name}", flush=True)
        found += LINES[name](chosen)
    print("== summary", flush=True)
    return bars.judge(found)


if __name__ == "__main__":
    Path(contenders.CACHE).mkdir(parents=True, exist_ok=True)
    sys.exit(main())
