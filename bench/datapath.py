"""The data path beside nginx in one run: pass-through and cache hits, requests per CPU-second of the proxy alone on its core.

    python bench/datapath.py [--seconds 3] [--rounds 5] [--pure]

Slipstream runs with cache look-up, breaker, pool, deadlines and figures on; nginx with proxy_pass over kept connections, and proxy_cache
on tmpfs. Load (wrk, 64 connections) and upstream share the other core. Medians of interleaved rounds; judges nothing. Needs Debian's
nginx-light and wrk. With the modules that `make compile` has built, where there are any and --pure isn't given; the last line says which.
Prints `datapath: pass_ratio=… hit_ratio=…`; on a machine that does other work only the ratios mean something.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BODY = '{"ok":true,"n":"0123456789"}'
COMPILED = Path(__file__).parent.parent / "build" / "compiled"
TICK = os.sysconf("SC_CLK_TCK")
HEADERS = [
    "-H",
    "X-Session-Id: s1",
    "-H",
    "Accept: */*",
    "-H",
    "User-Agent: bench/1",
    "-H",
    "Accept-Encoding: gzip",
    "-H",
    "Accept-Language: en",
]

SLIPSTREAM = """
import asyncio, sys, uvloop
from slipstream_api.clock import MonotonicClock
from slipstream_api.config import *
from slipstream_runtime.runtime import Runtime
async def main(port, upstream):
    runtime = Runtime(MonotonicClock())
    await runtime.start(None)
    rule = CacheRule(name="r", policy="p", store="s", ttl_ms=3_600_000, partition=Partition(type="Header", headers=("X-Session-Id",)),
                     match=Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path="/hit"))
    shadowless = CacheRule(name="n", policy="p", store="s", ttl_ms=3_600_000, partition=Partition(type="Header", headers=("X-Session-Id",)),
                           match=Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path="/pass"))
    pool = Pool(name="m", upstream=Upstream(host="127.0.0.1", port=upstream), cache_rules=(rule, shadowless),
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
  location /hit {{ proxy_pass http://u; proxy_cache z; proxy_cache_valid 200 1h; proxy_cache_key $request_uri$http_x_session_id; }} }}"""


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


def load(core: int, port: int, path: str, seconds: float) -> tuple[float, float]:
    """Requests and p99 in ms of one run of wrk; an error ends the bench."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", *HEADERS, f"http://127.0.0.1:{port}{path}"]
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
    if missing := [tool for tool in ("nginx", "wrk", "taskset") if shutil.which(tool) is None]:
        print(f"datapath: needs {', '.join(missing)}: apt-get install nginx-light wrk util-linux", file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    upstream, peer, own = free_port(), free_port(), free_port()
    shm = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shm) as name:
        folder = Path(name)
        processes = [nginx(folder, "up", cores[0], UPSTREAM.format(port=upstream, body=BODY))]
        try:
            wait_for(upstream, processes[0])
            processes.append(nginx(folder, "peer", cores[-1], PROXY.format(folder=folder, port=peer, upstream=upstream)))
            processes.append(on_core(cores[-1], sys.executable, "-c", SLIPSTREAM, str(own), str(upstream)))
            proxies = {"nginx": (peer, processes[1]), "slipstream": (own, processes[2])}
            for port, process in proxies.values():
                wait_for(port, process)
            measure(proxies, cores[0], arguments.seconds, arguments.rounds, "yes" if compiled else "no")
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    return 0


def measure(proxies: dict[str, tuple[int, subprocess.Popen[bytes]]], core: int, seconds: int, rounds: int, compiled: str) -> None:
    rates: dict[tuple[str, str], list[float]] = {}
    tails: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for path in ("/pass", "/hit"):
            for name, (port, process) in proxies.items():
                before = cpu_seconds(process.pid)
                requests, tail = load(core, port, path, seconds)
                rates.setdefault((name, path), []).append(requests / (cpu_seconds(process.pid) - before))
                tails.setdefault((name, path), []).append(tail)
    for (name, path), found in rates.items():
        print(f"{name:10} {path:5} {statistics.median(found):9.0f} requests/CPU-s, p99 {statistics.median(tails[name, path]):.2f} ms")
    ratios = {path: statistics.median(rates["slipstream", path]) / statistics.median(rates["nginx", path]) for path in ("/pass", "/hit")}
    print(f"datapath: pass_ratio={ratios['/pass']:.2f} hit_ratio={ratios['/hit']:.2f} compiled={compiled}")


if __name__ == "__main__":
    sys.exit(main())
