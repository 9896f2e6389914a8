"""The data path beside other proxies in one run: per CPU-second of the proxy, each alone on its core; judges nothing.

    python bench/datapath.py [--seconds 3] [--rounds 5] [--only pass,hit,p99,large] [--peers envoy,haproxy,nginx,varnish] [--pure]

Load (wrk, 64 connections) and upstream share another core. In each round every proxy has its turn. What is measured, for W0 and W1 (works):
  pass   requests a CPU-second; Slipstream looks the answer up in its store and learns that it must not be kept
  hit    requests a CPU-second, answers of 1 kB from the store
  p99    latency at half of the rate that Envoy reached at most, just before (so it needs Envoy)
  large  bytes a CPU-second, bodies of 10 MB, W0 alone
Before, each proxy is asked a few times to see that hits are hits. With the modules that `make compile` built, if any; --pure without.
Prints `datapath: pass_w0_envoy=… … compiled=yes`: medians of each round's Slipstream / peer, p99 alone is better when lower.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import peers
import works

ROOT: Final = Path(__file__).parent.parent
COMPILED: Final = ROOT / "build" / "compiled"
TICK: Final = os.sysconf("SC_CLK_TCK")
US: Final = "slipstream"
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


class Sample(NamedTuple):
    """One turn of one proxy: its figure, in its way's unit, its rate, and the part of the time that it kept its core busy."""

    value: float
    rate: float
    busy: float


class Bench(NamedTuple):
    """What runs, and how long each turn takes."""

    folder: Path
    cores: tuple[int, int]
    seconds: int
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]]


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
    found = parser.parse_args()
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended then, too
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("datapath: needs two cores, one for the proxy, one for load and upstream", file=sys.stderr)
        return 1
    environment, compiled = modules(chosen.pure)
    print(f"load average {os.getloadavg()[0]:.2f}, {chosen.rounds} rounds of {chosen.seconds} s, compiled: {compiled}", flush=True)
    shm = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        bench = Bench(Path(folder), (cores[0], cores[-1]), chosen.seconds, {}, {})
        try:
            start(bench, names, environment)
            samples = measure(bench, chosen.only, names, chosen.rounds)
        finally:
            stop(bench)
    ratios = report(samples)
    print("datapath:", *(f"{name}={ratio:.2f}" for name, ratio in ratios.items()), f"compiled={compiled}")
    return 0


def modules(pure: bool) -> tuple[dict[str, str], str]:
    """The environment of Slipstream's process, and whether it runs compiled modules: yes, no, or stale where sources have changed since."""
    if pure or not COMPILED.is_dir():
        return dict(os.environ) | ({"SLIPSTREAM_PURE": "1"} if pure else {}), "no"
    environment = dict(os.environ) | {"PYTHONPATH": str(COMPILED)}
    ask = "from slipstream_runtime.proxy import client; print(client.__file__)"
    found = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True).stdout.strip()
    if not (found.startswith(str(COMPILED)) and found.endswith(".so")):
        raise SystemExit(f"datapath: {COMPILED} is there, yet {found} is what runs: `make compile` again, or --pure")
    sources = [path for folder in ("runtime/slipstream_runtime", "crds/slipstream_api") for path in (ROOT / folder).rglob("*.py")]
    built = [COMPILED / Path(*path.relative_to(ROOT).parts[1:]) for path in sources]
    same = all(copy.exists() and copy.read_bytes() == path.read_bytes() for path, copy in zip(sources, built, strict=True))
    if not same:
        print("datapath: the sources have changed since `make compile`: what was built is measured", file=sys.stderr)
    return environment, "yes" if same else "stale"


def start(bench: Bench, names: list[str], environment: dict[str, str]) -> None:
    """All servers, each ready and checked. `bench.processes` is filled as they start, so that whatever happens they are ended."""
    ports, (load_core, proxy_core) = bench.ports, bench.cores
    ports |= {name: free_port() for name in ("upstream", *names, US)}
    upstream = ports["upstream"]
    commands = {name: peers.PEERS[name].command(bench.folder, ports[name], upstream) for name in names}
    commands[US] = [sys.executable, str(Path(__file__).parent / "sidecar.py"), str(ports[US]), str(upstream)]
    run(bench, "upstream", load_core, peers.upstream_command(bench.folder, upstream), None)
    for name, command in commands.items():
        run(bench, name, proxy_core, command, environment if name == US else None)
        for path in sorted({way.path for way in WAYS.values() if name in (*way.peers, US)}):
            partitioned = path == "/hit" and (name == US or peers.PEERS[name].partitioned)
            works.check(name, ports[name], path, peers.BODIES[path], partitioned)


def run(bench: Bench, name: str, core: int, command: list[str], environment: dict[str, str] | None) -> None:
    """One server on its core, ready when it listens; what it says is shown where it ends too early."""
    log = bench.folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=output, stderr=output, env=environment)
    bench.processes[name] = process
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"datapath: {name} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", bench.ports[name]), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"datapath: {name} doesn't listen on its port after 30 s: {log.read_text(errors='replace')[-2000:]}")


def stop(bench: Bench) -> None:
    for process in bench.processes.values():
        process.terminate()
    for process in bench.processes.values():
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of what it has started, which is where Varnish works."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = " ".join(task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(cpu_seconds(int(child)) for child in children)


def turn(bench: Bench, case: Case, rate: float = math.inf) -> Sample:
    """One proxy under load for some seconds."""
    way, work, name = case
    script = works.script(bench.folder, work, WAYS[way].path, rate)
    pid = bench.processes[name].pid
    before = cpu_seconds(pid)
    seen = works.load(bench.cores[0], bench.ports[name], script, bench.seconds)
    spent = cpu_seconds(pid) - before
    value = {"p99": seen.p99_ms, "large": seen.bytes / spent / 1e6}.get(way, seen.requests / spent)
    return Sample(value, seen.requests / seen.seconds, spent / seen.seconds)


def round_of(bench: Bench, ways: tuple[str, ...], names: list[str]) -> Iterator[tuple[Case, Sample]]:
    """Every proxy's turn in every way, once."""
    for way in ways:
        for work in WAYS[way].works:
            half = turn(bench, ("pass", work, "envoy")).rate / 2 if way == "p99" else math.inf
            for name in (*(peer for peer in WAYS[way].peers if peer in names), US):
                yield (way, work, name), turn(bench, (way, work, name), half)


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
