"""How fast one runner asks: the closed model with all accounting on against a constant-answer server, beside wrk in the same run.

    python bench/loadgen.py [--users 64] [--seconds 4] [--rounds 3]

Generator and wrk take turns on one core, the server has another one; medians of the rounds. Prints requests a second, CPU per request and
`loadgen: rps=… wrk_rps=… ratio=… cpu_ratio=…`; without wrk (Debian: apt-get install wrk) the ratios are left out. cpu_ratio compares CPU
time per request, which other load on the machine disturbs less. Judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import uvloop

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.driver import HttpDriver
from slipstream_loadtest.http.resolve import resolver
from slipstream_loadtest.judged.metrics import measure
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.plan.model import Phase, Plan, Stage, Target
from slipstream_loadtest.plan.scenarios import Expect, HttpRequest, Scenario, Step
from slipstream_loadtest.runner.local import quiet_collector

ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\nCache-Status: slipstream; hit\r\n\r\n" + b"x" * 100
)
WARM_UP_MS: Final = 500
DRAIN_MS: Final = 200


class ConstantAnswer(asyncio.Protocol):
    """Answers whatever arrives with the same bytes: a request of the generator or of wrk always comes in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)  # type: ignore[attr-defined]  # a stream transport


def serve(pipe: Connection, core: int | None) -> None:
    """The server's process."""
    pin(core)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(ConstantAnswer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def plan_for(url: str, users: int, seconds: float) -> Plan:
    held = round(seconds * 1000)
    windows = (("WarmUp", 0, WARM_UP_MS), ("Hold", WARM_UP_MS, held), ("Drain", WARM_UP_MS + held, DRAIN_MS))
    return Plan(
        name="bench",
        namespace="bench",
        seed=1,
        runners=1,
        timeout_ms=5_000,
        drain_ms=DRAIN_MS,
        targets=(Target(name="Direct", url=url),),
        stages=(Stage(name="s", model="Closed", users=users, duration_ms=held),),
        phases=tuple(
            Phase(kind=kind, target="Direct", repeat=0, stage="s", start_ms=start, duration_ms=duration)  # type: ignore[arg-type]  # kinds above
            for kind, start, duration in windows
        ),
        scenarios=(Scenario(name="read", steps=(Step(name="get", http=HttpRequest(path="/recall?q=word"), expect=Expect()),)),),
    )


def generator(url: str, users: int, seconds: float) -> tuple[float, float]:
    """Requests a second within the window, and CPU microseconds per request of the whole run."""
    plan = plan_for(url, users, seconds)

    async def main() -> tuple[float, float]:
        quiet_collector()
        before = resource.getrusage(resource.RUSAGE_SELF)
        part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, url, resolver("System"))})
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        window = next(w for w in merge(plan, [part]).windows if w.judged)
        errors = measure("errors.percent", [window]).value
        if errors:
            sys.exit(f"{errors}% errors: nothing was measured")
        return window.throughput, cpu / part.offered * 1e6

    return uvloop.run(main())


def wrk(url: str, users: int, seconds: float) -> tuple[float, float]:
    """The same of wrk: one thread, as many connections."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["wrk", "-t1", f"-c{users}", f"-d{round(seconds)}s", f"{url}/recall?q=word"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate, total = re.search(r"Requests/sec: *([\d.]+)", printed), re.search(r"(\d+) requests in", printed)
    assert rate is not None
    assert total is not None
    return float(rate.group(1)), cpu / int(total.group(1)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    ours, peers = pipe = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(peers, cores[0] if len(cores) > 1 else None), daemon=True)
    server.start()
    try:
        pin(cores[1] if len(cores) > 1 else None)
        url = f"http://127.0.0.1:{ours.recv()}"
        measured = rounds(arguments.rounds, lambda ask: ask(url, arguments.users, arguments.seconds))
    finally:
        server.terminate()
        server.join()
        for end in pipe:
            end.close()
    report(measured)


def rounds(
    n: int, ask: Callable[[Callable[[str, int, float], tuple[float, float]]], tuple[float, float]]
) -> dict[str, list[tuple[float, float]]]:
    """Both in turn, so that what else the machine does meets both."""
    contenders = {"loadgen": generator} | ({"wrk": wrk} if shutil.which("wrk") else {})
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(n):
        for name, contender in contenders.items():
            rate, cpu = ask(contender)
            print(f"  {name:8} {rate:9.0f} requests/s  {cpu:6.1f} µs CPU each", flush=True)
            measured[name].append((rate, cpu))
    return measured


def report(measured: dict[str, list[tuple[float, float]]]) -> None:
    rate = {name: statistics.median(r for r, _ in values) for name, values in measured.items()}
    cpu = {name: statistics.median(c for _, c in values) for name, values in measured.items()}
    line = f"loadgen: rps={rate['loadgen']:.0f}"
    if "wrk" in rate:
        line += f" wrk_rps={rate['wrk']:.0f} ratio={rate['loadgen'] / rate['wrk']:.2f} cpu_ratio={cpu['wrk'] / cpu['loadgen']:.2f}"
    print(line)


if __name__ == "__main__":
    main()
