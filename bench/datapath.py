"""The data path beside other proxies in one run: pass-through and cache hits, requests per CPU-second of the proxy alone on its core.

    python bench/datapath.py [--seconds 3] [--rounds 5] [--pure]

Slipstream runs with cache look-up, breaker, pool, deadlines and figures on; Envoy with circuit breaking and statistics; HAProxy and nginx
as plain proxies over kept connections; nginx's proxy_cache is on tmpfs. W0 is a bare head, W1 a realistic one (peers.W1). Load (wrk, 64
connections) and upstream share the other core. Medians of interleaved rounds; judges nothing. Needs Debian's nginx-light, haproxy and wrk;
Envoy comes from its wheel. With the modules that `make compile` has built, where there are any and --pure isn't given.
Prints `datapath: pass_w0_envoy=… … compiled=yes`: ratios to each peer; on a machine that does other work only they mean something.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers

BODY = '{"ok":true,"n":"0123456789"}'
COMPILED = Path(__file__).parent.parent / "build" / "compiled"
WAYS = {"/pass": ("envoy", "haproxy", "nginx", "slipstream"), "/hit": ("nginx", "slipstream")}
TICK = os.sysconf("SC_CLK_TCK")
SLIPSTREAM = """
import asyncio, sys, uvloop
from slipstream_api.clock import MonotonicClock
from slipstream_api.config import *
from slipstream_runtime.runtime import Runtime
async def main(port, upstream):
    runtime = Runtime(MonotonicClock())
    await runtime.start(None)
    partition = Partition(type="Header", headers=("X-Session-Id", "Authorization"))
    rules = tuple(CacheRule(name=name, policy="p", store="s", ttl_ms=3_600_000, partition=partition, match=Match(
        protocol="HTTP", methods=("GET",), path_kind="Exact", path="/" + name)) for name in ("hit", "pass"))
    pool = Pool(name="m", upstream=Upstream(host="127.0.0.1", port=upstream), cache_rules=rules,
                binds=(Bind(kind="Local", address="127.0.0.1", port=port),), breaker_rules=(BreakerRule(name="b", policy="b"),))
    await runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(pool,), stores=(StoreConfig(name="s"),)), "Local")
    await asyncio.Event().wait()
uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""

NGINX = """
daemon off; master_process off; worker_processes 1; error_log /dev/null; pid {folder}/{name}.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/{name}b; proxy_temp_path {folder}/{name}p;
  fastcgi_temp_path {folder}/{name}f; uwsgi_temp_path {folder}/{name}u; scgi_temp_path {folder}/{name}s; {http} }}
"""

UPSTREAM = """server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json;
  location /pass {{ add_header Cache-Control no-store; return 200 '{body}'; }} location / {{ return 200 '{body}'; }} }}"""

PROXY = """upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  proxy_cache_path {folder}/cache keys_zone=z:16m; server {{ listen 127.0.0.1:{port} backlog=1024;
  proxy_http_version 1.1; proxy_set_header Connection ""; location / {{ proxy_pass http://u; }}
  location /hit {{ proxy_pass http://u; proxy_cache z; proxy_cache_valid 200 1h;
  proxy_cache_key $request_uri$http_x_session_id$http_authorization; }} }}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_core(core: int, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def nginx(folder: Path, name: str, core: int, http: str) -> subprocess.Popen[bytes]:
    path = folder / f"{name}.conf"
    path.write_text(NGINX.format(folder=folder, name=name, http=http))
    return on_core(core, "nginx", "-c", str(path), "-p", str(folder))


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens on {port}")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def load(core: int, port: int, script: Path, seconds: float) -> tuple[float, float]:
    """Requests and p99 in ms of one run of wrk; an error ends the bench."""
    wrk = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"]
    command = ["taskset", "-c", str(core), *wrk]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"errors under load:\n{output}")
    requests = re.search(r"(\d+) requests in", output)
    latency = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    assert requests is not None
    assert latency is not None
    return float(requests[1]), float(latency[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[latency[2]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    arguments = parser.parse_args()
    compiled = COMPILED.is_dir() and not arguments.pure
    if compiled:
        os.environ["PYTHONPATH"] = str(COMPILED)
    if lacking := peers.missing():
        print(f"datapath: needs {', '.join(lacking)}: apt-get install nginx-light haproxy wrk util-linux", file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    shm = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shm) as name:
        folder, processes = Path(name), dict[str, subprocess.Popen[bytes]]()
        try:
            ports = start(folder, cores, processes)
            rates = measure(folder, ports, processes, (cores[0], arguments.seconds, arguments.rounds))
        finally:
            for process in processes.values():
                process.terminate()
                process.wait()
    report(rates, "yes" if compiled else "no")
    return 0


def start(folder: Path, cores: list[int], processes: dict[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    """All servers, each ready; the port of each. `processes` is filled as they start, so that whatever happens they are ended."""
    ports = {name: free_port() for name in ("upstream", "envoy", "haproxy", "nginx", "slipstream")}
    upstream = ports["upstream"]
    processes["upstream"] = nginx(folder, "up", cores[0], UPSTREAM.format(port=upstream, body=BODY))
    processes["nginx"] = nginx(folder, "peer", cores[-1], PROXY.format(folder=folder, port=ports["nginx"], upstream=upstream))
    processes["envoy"] = on_core(cores[-1], *peers.envoy_command(folder, ports["envoy"], upstream))
    processes["haproxy"] = on_core(cores[-1], *peers.haproxy_command(folder, ports["haproxy"], upstream))
    processes["slipstream"] = on_core(cores[-1], sys.executable, "-c", SLIPSTREAM, str(ports["slipstream"]), str(upstream))
    for name, process in processes.items():
        wait_for(ports[name], process)
    return ports


def measure(
    folder: Path, ports: dict[str, int], processes: dict[str, subprocess.Popen[bytes]], how: tuple[int, float, int]
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(path, work, proxy) → requests per CPU-second and p99 in ms. `how`: core of the load, seconds, rounds."""
    core, seconds, rounds = how
    found: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for (path, names), work in itertools.product(WAYS.items(), ("W0", "W1")):
            for name in names:
                before = cpu_seconds(processes[name].pid)
                requests, tail = load(core, ports[name], peers.script(folder, work, path), seconds)
                spent = cpu_seconds(processes[name].pid) - before
                found.setdefault((path, work, name), []).append((requests / spent, tail))
    return {what: (statistics.median(r for r, _ in runs), statistics.median(t for _, t in runs)) for what, runs in found.items()}


def report(rates: dict[tuple[str, str, str], tuple[float, float]], compiled: str) -> None:
    ratios = []
    for (path, work, name), (rate, tail) in rates.items():
        ours = rates[path, work, "slipstream"][0]
        print(f"{path[1:]:5} {work} {name:10} {rate:9.0f} requests/CPU-s, p99 {tail:6.2f} ms, slipstream {ours / rate:.2f} x")
        if name != "slipstream":
            ratios.append(f"{path[1:]}_{work.lower()}_{name}={ours / rate:.2f}")
    print("datapath:", " ".join(ratios), f"compiled={compiled}")


if __name__ == "__main__":
    sys.exit(main())
