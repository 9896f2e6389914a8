"""Hours in minutes: half load, faults on every side, reloads and restarts, and every answer checked. Ends with 1 where something is wrong.

    python bench/soak.py [--seconds 600] [--seed 1] [--pure] [--break foreign|stale|truncated]

The load is half of what these callers reach without faults. A proxy of our own between sidecar and origin resets, half-closes, silences and
slows connections; the origin is killed every 7 s and that proxy every 13 s; rude clients break off, dawdle and send nonsense; each second
brings another configuration, each fifth one another address of the upstream. An answer that is complete by its framing has to be the
caller's own, no older than the last write that was answered before the question, and whole; failures are allowed, hanging isn't. Resident
memory and open descriptors have to be flat over the second half (judged from a minute on), and descriptors have to be back at the end.
`--break` plants a fault that has to be found: a store shared by all callers, writes past the sidecar, an origin that cuts answers short.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

import bars
import configs
from servers import SIDECAR, Servers, descriptors, memory_mb
from slipstream_api.config import BreakerRule, Limits, Open, Partition, RuntimeConfig
from slope import second_half, theil_sen
from soak_load import Load, Rude

CALLERS, RUDE = 48, 8
PROBE_SECONDS: Final = 3.0
REST_SECONDS: Final = 6.0  # after the load: longer than the deadlines and the idle timeout below
JUDGED_FROM: Final = 60.0  # seconds; a shorter run has no slope
KILL_ORIGIN, KILL_FAULTS, DEAD_SECONDS = 7.0, 13.0, 0.5
ADDRESSES: Final = ("127.0.0.1", "127.0.0.2")  # of faults.py
MB_A_MINUTE, DESCRIPTORS_A_MINUTE, DESCRIPTORS_LEFT = 1.0, 5.0, 4
WRONG: Final = ("foreign", "stale", "truncated", "other", "hung")


class Soak:
    """One run: what disturbs, what is sampled, what it comes to."""

    def __init__(self, servers: Servers, seed: str, broken: str) -> None:
        self._servers, self._seed, self._broken = servers, seed, broken
        write_port = servers.port("origin" if broken == "stale" else SIDECAR)
        self.load = Load(servers.port(SIDECAR), write_port, seed)
        self.rude = [Rude(servers.port(SIDECAR), f"{seed}r{n}") for n in range(RUDE)]
        self.reloads = self.kills = 0
        self.memory: list[tuple[float, float]] = []
        self.open: list[tuple[float, float]] = []
        self.left = 0

    def start_origin(self) -> None:
        versions = str(self._servers.folder / "versions")
        self._servers.script("origin", self._servers.load_core, versions, *(["truncated"] if self._broken == "truncated" else []))

    def start_faults(self, on: str) -> None:
        seed = f"{self._seed}f{self.kills}"
        self._servers.script("faults", self._servers.load_core, str(self._servers.port("origin")), seed, on)

    def config(self, number: int) -> RuntimeConfig:
        """The number-th configuration: all of them mean the same to a caller."""
        limits = Limits(
            max_connections=(60, 40)[number % 2],
            acquire_timeout_ms=1_000,
            connect_timeout_ms=500,
            request_timeout_ms=2_000,
            idle_timeout_ms=2_000,
        )
        breaker = BreakerRule(name="b", policy="b", scope=("Rule", "Operation")[number % 3 == 0], open=Open(duration_ms=300))
        rule: dict[str, Any] = {"ttl_ms": (3_600_000, 5_000)[number % 2]}
        if self._broken == "foreign":
            rule["partition"] = Partition(type="Shared")
        ports, host = (self._servers.port(SIDECAR), self._servers.port("faults")), ADDRESSES[number // 5 % 2]
        return configs.checked(*ports, rule=rule, host=host, limits=limits, breaker_rules=(breaker,) if number % 4 else ())

    async def run(self, seconds: float) -> None:
        await self._probe()
        self._servers.kill("faults")
        await asyncio.to_thread(self.start_faults, "on")
        first = descriptors(self._servers.pid(SIDECAR))
        callers = [self.load.caller(n) for n in range(CALLERS)]
        disturbers = [self._reload(), self._restart("origin", KILL_ORIGIN), self._restart("faults", KILL_FAULTS), self._sample()]
        await self._for(seconds, [*callers, *disturbers, *(rude.run() for rude in self.rude)])
        await asyncio.sleep(REST_SECONDS)
        self.left = descriptors(self._servers.pid(SIDECAR)) - first

    async def _probe(self) -> None:
        """Half of what these callers get without faults is the rate from now on."""
        self.load.callers = CALLERS
        await self._for(PROBE_SECONDS, [self.load.caller(n) for n in range(CALLERS)])
        self.load.rate = self.load.good / PROBE_SECONDS / 2
        print(f"without faults {self.load.good / PROBE_SECONDS:.0f} answers/s: half of that from here on", flush=True)
        await asyncio.sleep(REST_SECONDS / 2)

    @staticmethod
    async def _for(seconds: float, work: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.ensure_future(one) for one in work]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.reloads += 1
            self._servers.configure(self.config(self.reloads))

    async def _restart(self, name: str, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            self._servers.kill(name)
            self.kills += 1
            await asyncio.sleep(DEAD_SECONDS)
            start = asyncio.to_thread(self.start_origin) if name == "origin" else asyncio.to_thread(self.start_faults, "on")
            await asyncio.shield(start)

    async def _sample(self) -> None:
        began, pid = asyncio.get_running_loop().time(), self._servers.pid(SIDECAR)
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time() - began
            self.memory.append((now, memory_mb(pid)))
            self.open.append((now, descriptors(pid)))


def verdict(soak: Soak, log: str, faults: Counter[str], seconds: float) -> list[bars.Bar]:
    """Everything that has to hold."""
    load = soak.load
    found = [bars.Bar(f"soak_{what}", load.wrong[what], "", "=", 0) for what in WRONG]
    good = 100 * load.good / max(1, load.answers.total() + load.wrong.total())
    found.append(bars.Bar("soak_good_percent", good, "%", ">=", 25))
    found.append(bars.Bar("soak_reloads_refused", soak.reloads + 1 - log.count("applied "), "", "<=", 1))  # the last may be on its way
    found.append(bars.Bar("soak_errors_logged", log.count("Traceback"), "", "=", 0))
    found.append(bars.Bar("soak_descriptors_left", soak.left, "", "<=", DESCRIPTORS_LEFT))
    if seconds >= JUDGED_FROM:
        found.append(bars.Bar("soak_memory_slope", theil_sen(second_half(soak.memory)) * 60, "MB/min", "<=", MB_A_MINUTE))
        found.append(bars.Bar("soak_descriptors_slope", theil_sen(second_half(soak.open)) * 60, "/min", "<=", DESCRIPTORS_A_MINUTE))
        found.append(bars.Bar("soak_kinds_of_faults", len(faults), "kinds", ">=", 4))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", default=str(random.randrange(1_000_000)), help="of all that is drawn by chance")
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    parser.add_argument("--break", dest="broken", choices=("foreign", "stale", "truncated"), default="", help="plant a fault")
    chosen = parser.parse_args()
    with Servers(chosen.pure) as servers:
        soak = Soak(servers, chosen.seed, chosen.broken)
        soak.start_origin()
        soak.start_faults("off")
        servers.sidecar(soak.config(0))
        print(f"seed {chosen.seed}, {chosen.seconds:.0f} s, compiled: {servers.compiled}", flush=True)
        uvloop.run(soak.run(chosen.seconds))
        log = (servers.folder / f"{SIDECAR}.log").read_text(errors="replace")
        faults = Counter((servers.folder / "faults.log").read_text().split())
    rude = sum((each.done for each in soak.rude), Counter[str]())
    print(f"answers: {dict(soak.load.answers)}\nfaults: {dict(faults)}\nrude: {dict(rude)}\nreloads: {soak.reloads}, kills: {soak.kills}")
    if soak.memory:
        print(
            f"memory: {soak.memory[0][1]:.0f} to {soak.memory[-1][1]:.0f} MB, descriptors: {soak.open[0][1]:.0f} to {soak.open[-1][1]:.0f}"
        )
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:3_000])
    print(*soak.load.examples[:5], sep="\n")
    missed = bars.judge(verdict(soak, log, faults, chosen.seconds))
    print(f"soak: {'something is WRONG' if missed else 'nothing is wrong'} after {chosen.seconds:.0f} s, seed {chosen.seed}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
