"""The data path beside other proxies in one run: per CPU-second of the proxy, each alone on its core, ours under all its policies.

    python bench/datapath.py [--seconds 3] [--rounds 5] [--only pass,hit,p99,large] [--peers envoy,haproxy,nginx,varnish] [--pure]
                             [--fixed-head] [--python PATH]

Load (wrk, 64 connections) and upstream share another core. In each round every proxy has its turn. What is measured, for W0 and W1 (works):
  pass   requests a CPU-second; Slipstream looks the answer up in its store and learns that it must not be kept
  hit    requests a CPU-second, answers of 1 kB from the store
  p99    latency at a fixed rate (openloop), half of what Envoy reached at most, just before (so it needs Envoy)
  large  bytes a CPU-second, bodies of 10 MB, W0 alone
Before, each proxy is asked a few times to see that hits are hits. With the modules that `make compile` built, if any; --pure without.
--python is another interpreter that runs Slipstream, with our dependencies and without compiled modules: one built with PGO, as those
of Debian and of our images are, takes less time for a request.
Prints `bar` lines where there is something to reach, and `datapath: pass_w0_envoy=... compiled=yes`: medians of each round's
Slipstream / peer; of p99 lower is better.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import bars
import configs
import peers
import works
from servers import HERE, SIDECAR, Servers, cpu_seconds

US: Final = SIDECAR
Case = tuple[str, str, str]  # way, work, proxy


class Way(NamedTuple):
    """One thing to measure: the path that is asked for, beside which peers, with which requests."""

    path: str
    peers: tuple[str, ...]
    unit: str
    works: tuple[str, ...] = works.WORKS


WAYS: Final = {
    "pass": Way("/pass", ("envoy", "haproxy", "nginx"), "requests/CPU-s"),
    "hit": Way("/hit", ("varnish", "nginx", "haproxy"), "requests/CPU-s"),
    "p99": Way("/pass", ("envoy", "haproxy", "nginx"), "ms"),
    "large": Way("/large", ("envoy", "haproxy", "nginx"), "MB/CPU-s", ("W0",)),
}


# Slipstream / peer: what it has to be, compiled and as ordinary Python.
BARS: Final[dict[str, tuple[str, float]]] = {
    "pass_w0_envoy": (">=", 2.2),
    "pass_w1_envoy": (">=", 2.2),
    "pass_w0_haproxy": (">=", 0.75),
    "pass_w1_haproxy": (">=", 0.75),
    "hit_w0_varnish": (">=", 2.0),
    "hit_w1_varnish": (">=", 2.0),
    "hit_w0_nginx": (">=", 1.2),
    "hit_w1_nginx": (">=", 1.2),
    "hit_w0_haproxy": (">=", 0.9),
    "hit_w1_haproxy": (">=", 0.9),
    "p99_w0_envoy": ("<=", 1.0),
    "p99_w1_envoy": ("<=", 1.0),
    "large_w0_envoy": (">=", 1.0),
}
PURE_BARS: Final[dict[str, tuple[str, float]]] = {"pass_w0_envoy": (">=", 1.6), "pass_w1_envoy": (">=", 1.6)}


class Sample(NamedTuple):
    """One turn of one proxy: its figure, in its way's unit, its rate, and the part of the time that it kept its core busy."""

    value: float
    rate: float
    busy: float


class Bench(NamedTuple):
    """What runs, how long each turn takes, and whether ids repeat."""

    servers: Servers
    seconds: int
    fixed: bool


def options() -> argparse.Namespace:
    def some(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
        def parse(text: str) -> tuple[str, ...]:
            if unknown := set(text.split(",")) - set(known):
                raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: one or more of {','.join(known)}")
            return tuple(name for name in known if name in text.split(","))

        return parse

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3, help="of one turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", type=some(tuple(WAYS)), default=tuple(WAYS), help="ways, with commas")
    parser.add_argument("--peers", type=some(tuple(peers.PEERS)), default=tuple(peers.PEERS), help="with commas")
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    parser.add_argument("--fixed-head", action="store_true", help="ids of W1 repeat, so that whole heads can be remembered")
    parser.add_argument("--python", metavar="PATH", help="the interpreter of Slipstream; with --pure")
    found = parser.parse_args()
    if found.python and not found.pure:
        parser.error("--python goes with --pure: what `make compile` built is for the interpreter that built it")
    if found.seconds < 1 or found.rounds < 1:
        parser.error("--seconds and --rounds are at least 1")
    if "p99" in found.only and "envoy" not in found.peers:
        parser.error("p99 is measured at half of Envoy's rate: add envoy to --peers or leave p99 out of --only")
    return found


def main() -> int:
    chosen = options()
    names = [name for name in chosen.peers if any(name in WAYS[way].peers for way in chosen.only)]
    if lacking := peers.missing(names):
        print(f"datapath: programs are missing; apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 1
    with Servers(chosen.pure, chosen.python or sys.executable) as servers:
        about = f"{chosen.rounds} rounds of {chosen.seconds} s, compiled: {servers.compiled}"
        print(f"load average {os.getloadavg()[0]:.2f}, {about}", flush=True)
        start(servers, names)
        samples = measure(Bench(servers, chosen.seconds, chosen.fixed_head), chosen.only, names, chosen.rounds)
    ratios = report(samples)
    promised = PURE_BARS if servers.compiled == "no" else BARS
    missed = bars.judge(bars.Bar(name, ratios[name], "x", *bar) for name, bar in promised.items() if name in ratios)
    print("datapath:", *(f"{name}={ratio:.2f}" for name, ratio in ratios.items()), f"compiled={servers.compiled}")
    return missed


def start(servers: Servers, names: list[str]) -> None:
    """All servers, each ready and checked."""
    upstream = servers.port("upstream")
    servers.start("upstream", servers.load_core, peers.upstream_command(servers.folder, upstream))
    for name in names:
        servers.start(name, servers.proxy_core, peers.PEERS[name].command(servers.folder, servers.port(name), upstream))
    servers.sidecar(configs.datapath(servers.port(US), upstream))
    for name in (*names, US):
        for path in sorted({way.path for way in WAYS.values() if name in (*way.peers, US)}):
            partitioned = path == "/hit" and (name == US or peers.PEERS[name].partitioned)
            works.check(name, servers.port(name), path, peers.BODIES[path], partitioned)


def turn(bench: Bench, case: Case) -> Sample:
    """One proxy under as much load as it takes, for some seconds."""
    way, work, name = case
    servers = bench.servers
    script = works.script(servers.folder, work, WAYS[way].path, bench.fixed)
    before = cpu_seconds(servers.pid(name))
    seen = works.load(servers.load_core, servers.port(name), script, bench.seconds)
    spent = cpu_seconds(servers.pid(name)) - before
    return Sample(seen.bytes / spent / 1e6 if way == "large" else seen.requests / spent, seen.requests / seen.seconds, spent / seen.seconds)


def paced_turn(bench: Bench, case: Case, rate: float) -> Sample:
    """One proxy at a fixed rate; a request without a good answer ends the bench, a generator that is late itself is told of."""
    _, work, name = case
    servers, pid = bench.servers, bench.servers.pid(name)
    script = [str(HERE / "openloop.py"), str(servers.port(name)), f"{rate:.1f}", str(bench.seconds), work, WAYS["p99"].path]
    before = cpu_seconds(pid)
    command = ["taskset", "-c", str(servers.load_core), sys.executable, *script]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if seen["failed"]:
        raise SystemExit(f"datapath: {name} failed {seen['failed']:.0f} of {seen['requests']:.0f} requests at {rate:.0f}/s")
    if seen["lag_p99"] > seen["p99"] / 2:
        print(f"p99 {work} {name}: {seen['lag_p99']:.2f} of {seen['p99']:.2f} ms are the generator's own lag", file=sys.stderr)
    return Sample(seen["p99"], rate, (cpu_seconds(pid) - before) / bench.seconds)


def round_of(bench: Bench, ways: tuple[str, ...], names: list[str]) -> Iterator[tuple[Case, Sample]]:
    """Every proxy's turn in every way, once."""
    for way in ways:
        for work in WAYS[way].works:
            half = turn(bench, ("pass", work, "envoy")).rate / 2 if way == "p99" else math.inf
            for name in (*(peer for peer in WAYS[way].peers if peer in names), US):
                case = way, work, name
                yield case, turn(bench, case) if math.isinf(half) else paced_turn(bench, case, half)


def measure(bench: Bench, ways: tuple[str, ...], names: list[str], rounds: int) -> dict[Case, list[Sample]]:
    """A first round of a second each, not counted, opens connections and fills stores; then the rounds."""
    for _ in round_of(bench._replace(seconds=1), tuple(way for way in ways if way in ("pass", "hit")), names):
        pass
    found: dict[Case, list[Sample]] = {}
    for number in range(rounds):
        for case, sample in round_of(bench, ways, names):
            found.setdefault(case, []).append(sample)
        print(f"round {number + 1} of {rounds}, load average {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)
    return found


def report(samples: dict[Case, list[Sample]]) -> dict[str, float]:
    """Shows the medians of every case; way_work_peer → median of the rounds' Slipstream / peer."""
    ratios = {}
    for (way, work, name), turns in samples.items():
        each = [ours.value / theirs.value for ours, theirs in zip(samples[way, work, US], turns, strict=True)]
        value, rate, busy = (statistics.median(column) for column in zip(*turns, strict=True))
        beside = ""
        if name != US:
            ratios[f"{way}_{work.lower()}_{name}"] = statistics.median(each)
            beside = f", {US} {statistics.median(each):.2f} x ({min(each):.2f} to {max(each):.2f})"
        print(f"{way:5} {work} {name:10} {value:9.{2 if way == 'p99' else 0}f} {WAYS[way].unit:14} {rate:8.0f}/s busy {busy:4.0%}{beside}")
    return ratios


if __name__ == "__main__":
    sys.exit(main())
