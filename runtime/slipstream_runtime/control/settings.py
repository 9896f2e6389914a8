"""What a sidecar process is told by its environment; read and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from slipstream_api.sidecar import ADMIN_PORT, BOOTSTRAP_ENV, CONFIG_DIR, TLS_DIR, Bootstrap
from slipstream_runtime.observe.traces import TracesError, endpoint_of
from slipstream_runtime.proxy.context import MAX_CLIENTS

DRAIN_SECONDS: Final = 25.0  # Kubernetes kills after 30 s by default


class SettingsError(Exception):
    """The environment can't be understood."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. An `admin_host` of "" means every address of the pod."""

    bootstrap: Bootstrap | None = None
    access_log: float = 0.0  # share of answers that get a line; 0: no access log
    traces: str = ""  # URL of a collector; none: no spans
    config_dir: str = CONFIG_DIR
    tls_dir: str = TLS_DIR
    admin_host: str = ""
    admin_port: int = ADMIN_PORT
    log_level: str = "INFO"
    drain_seconds: float = DRAIN_SECONDS
    max_clients: int = MAX_CLIENTS
    max_connections: int = 0  # to upstreams, all pools together; 0: as many as descriptors allow (descriptors.py)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings of a process in a pod; raises SettingsError that names the variable."""
    bootstrap = _bootstrap(environment)
    try:
        return Settings(
            bootstrap=bootstrap,
            access_log=_share(environment),
            traces=_traces(environment),
            config_dir=environment.get("SLIPSTREAM_CONFIG_DIR", CONFIG_DIR),
            tls_dir=environment.get("SLIPSTREAM_TLS_DIR", TLS_DIR),
            admin_host=environment.get("SLIPSTREAM_ADMIN_HOST", ""),
            admin_port=int(environment.get("SLIPSTREAM_ADMIN_PORT", str(ADMIN_PORT))),
            log_level=environment.get("SLIPSTREAM_LOG_LEVEL", "INFO").upper(),
            drain_seconds=float(environment.get("SLIPSTREAM_DRAIN_SECONDS", str(DRAIN_SECONDS))),
            max_clients=int(environment.get("SLIPSTREAM_MAX_CLIENTS", str(MAX_CLIENTS))),
            max_connections=_connections(environment),
        )
    except ValueError as error:
        raise SettingsError(f"SLIPSTREAM_ADMIN_PORT, _DRAIN_SECONDS and _MAX_CLIENTS must be numbers: {error}") from None


def _connections(environment: Mapping[str, str]) -> int:
    text = environment.get("SLIPSTREAM_MAX_CONNECTIONS", "0")
    if not text.isascii() or not text.isdecimal():
        raise SettingsError(f"SLIPSTREAM_MAX_CONNECTIONS={text}: a number of connections is due, 0 for what file descriptors allow")
    return int(text)


def _traces(environment: Mapping[str, str]) -> str:
    try:
        return endpoint_of(environment.get("SLIPSTREAM_TRACES", ""))
    except TracesError as error:
        raise SettingsError(f"SLIPSTREAM_TRACES={error}") from None


def _share(environment: Mapping[str, str]) -> float:
    text = environment.get("SLIPSTREAM_ACCESS_LOG", "0")
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise SettingsError(f"SLIPSTREAM_ACCESS_LOG={text}: a share of answers is due, from 0 (no access log) to 1 (all)")
    return share


def _bootstrap(environment: Mapping[str, str]) -> Bootstrap | None:
    text = environment.get(BOOTSTRAP_ENV, "")
    if not text:
        return None
    try:
        bootstrap = msgspec.json.decode(text, type=Bootstrap)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{BOOTSTRAP_ENV} isn't the JSON that the injector writes: {error}") from None
    pod = environment.get("POD_UID", "")
    return msgspec.structs.replace(bootstrap, pod=pod) if pod else bootstrap
