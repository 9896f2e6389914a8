"""What operator, injector and sidecar say to each other besides the configuration: bootstrap, status, answers. Pure data.

Ports: admin API 15990 on every address of the pod; a pool's address port 15900 + n (`slipstream_api.addresses`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

ADMIN_PORT = 15990
RUNNER_PORT = 15980
CONFIG_DIR = "/etc/slipstream"  # where the workload's ConfigMap is mounted (optional volume)
TLS_DIR = "/etc/slipstream-tls"  # where the workload's Secret of TLS files is mounted (optional volume)
ENVELOPE_FILE = "envelope.json"  # key of the ConfigMap: the signed configuration
KEYS_FILE = "keys.json"  # key of the ConfigMap: {key id: base64 of the raw Ed25519 public key}
BOOTSTRAP_ENV = "SLIPSTREAM_BOOTSTRAP"  # JSON of Bootstrap, set by the injector


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: immutable, camelCase on the wire; unknown fields are ignored, since the two ends may differ in version."""


class Endpoint(Part, frozen=True, kw_only=True):
    """One (host, port) that a pod can reach through its sidecar, for the pod's life: served as pass-through when no pool names it."""

    host: str
    port: int
    address: str
    listen_port: int
    alias: bool = False  # the pod's hosts file names `address`: listen on (address, port) too


class Bootstrap(Part, frozen=True, kw_only=True):
    """What the injector tells a sidecar through its environment; the same for the pod's life."""

    cluster: str
    namespace: str
    workload: str
    pod: str = ""  # uid; from the downward API (POD_UID) at run time
    endpoints: tuple[Endpoint, ...] = ()
    passthrough: tuple[Endpoint, ...] = ()  # further ports of aliased hosts, forwarded raw
    keys: dict[str, str] = {}  # key id -> base64 of the raw Ed25519 public key


class Connections(Part, frozen=True, kw_only=True):
    in_use: int = 0
    idle: int = 0
    pending: int = 0
    max: int = 0
    opened_total: int = 0
    failed_total: int = 0  # attempts to connect
    lost_total: int = 0  # closed by the upstream while idle
    evicted_total: int = 0  # closed while idle, to make room for another pool
    requests_total: int = 0  # requests served over connections: reuse = 1 - opened / requests


class CacheFigures(Part, frozen=True, kw_only=True):
    """Counters of one CachePolicy on one pool."""

    policy: str
    hits: int = 0
    misses: int = 0
    stale: int = 0
    coalesced: int = 0
    bypass: int = 0
    batches: int = 0  # calls to a batch endpoint
    batched: int = 0  # of the misses: answered by one of them
    revalidated: int = 0  # of the misses: the upstream confirmed what was stored
    refreshed: int = 0  # in the background, while a stale answer was served
    would_stale: int = 0  # Shadow: hits that would have differed from the upstream's answer
    would_leak: int = 0  # Shadow: the same, with an answer to another caller
    stored: int = 0
    rejected: int = 0  # answers that weren't stored, since they mustn't be or don't fit
    entries: int = 0
    bytes: int = 0
    evictions: int = 0


class CircuitState(Part, frozen=True, kw_only=True):
    policy: str
    rule: str
    operation: str = ""
    state: Literal["Closed", "Open", "HalfOpen", "ForcedOpen", "ForcedClosed"] = "Closed"
    operations: tuple[str, ...] = ()  # that it judges, of those that were asked for since the configuration came into force
    shadow: bool = False
    trips_total: int = 0
    refused_total: int = 0  # calls
    would_refuse_total: int = 0  # calls that went through since the rule is in Shadow
    since_ms: int = 0  # how long it has been in this state


class PoolStatus(Part, frozen=True, kw_only=True):
    name: str
    healthy: bool = True
    connections: Connections = Connections()
    cache: tuple[CacheFigures, ...] = ()
    circuits: tuple[CircuitState, ...] = ()
    requests_total: int = 0
    errors_total: int = 0
    failures: dict[str, int] = {}  # those of errors_total by reason (X-Slipstream-Reason)
    cancelled_total: int = 0  # requests whose client left first
    resent_total: int = 0  # requests that were sent again since an idle connection proved closed


class ListenerStatus(Part, frozen=True, kw_only=True):
    address: str
    port: int
    pool: str = ""  # empty: pass-through
    state: Literal["Listening", "Failed"] = "Listening"
    error: str = ""


class Rejection(Part, frozen=True, kw_only=True):
    """Why a configuration was refused; the one before stays in force."""

    reason: str
    message: str
    revision: str = ""


class SidecarStatus(Part, frozen=True, kw_only=True):
    """Answer of GET /status: no keys, no paths, nothing of any caller."""

    version: str
    schema_versions: tuple[int, ...] = (1,)
    revision: str = ""  # empty: no configuration, everything passes through
    sequence: int = 0
    source: Literal["None", "File", "Push", "Local"] = "None"
    rejected: Rejection | None = None
    uptime_ms: int = 0
    rss_bytes: int = 0
    draining: bool = False
    connections: int = 0  # to upstreams, all pools and raw ports together, those being opened included
    max_connections: int = 0
    pools: tuple[PoolStatus, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Acknowledgement(Part, frozen=True, kw_only=True):
    """Answer 200 of PUT /config."""

    revision: str


class Refusal(Part, frozen=True, kw_only=True):
    """Answer 4xx of PUT /config and POST /commands. Reasons: UnknownKey, BadSignature, WrongAudience, Expired, NoExpiry, Replayed,
    Malformed, Invalid, UnsupportedSchema."""

    reason: str
    message: str
