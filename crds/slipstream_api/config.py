"""What a sidecar is told: one RuntimeConfig per workload, its canonical bytes and its revision. Pure; knows nothing of YAML or Kubernetes.

Units are in the names (`_ms`, `_bytes`, `_percent`). Decoding is strict: an unknown or ill-typed field is refused with its path,
so that a sidecar never enforces half of a configuration that it doesn't understand.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from slipstream_api.config_parts import Batch as Batch
from slipstream_api.config_parts import Part as Part

SCHEMA_VERSION = 1

Mode = Literal["Enforce", "Shadow"]
BreakerMode = Literal["Enforce", "Shadow", "ForcedOpen", "ForcedClosed"]
Cause = Literal["CircuitOpen", "Overload", "Connect", "Timeout", "Reset", "UpstreamStatus"]  # why an upstream's answer isn't to be had
PathKind = Literal["Exact", "Template", "Prefix", "All"]


class Match(Part, frozen=True, kw_only=True):
    """Which operations a rule is about. `protocol` Any has no other field; empty tuples mean every one."""

    protocol: Literal["Any", "HTTP", "MCP", "SQL"] = "Any"
    methods: tuple[str, ...] = ()
    path_kind: PathKind = "All"
    path: str = ""
    tools: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


class Partition(Part, frozen=True, kw_only=True):
    """Whose data an answer may be served to. PerCaller: Authorization, Cookie, MCP session; Header: the named headers; Shared: everyone."""

    type: Literal["PerCaller", "Shared", "Header"] = "PerCaller"
    headers: tuple[str, ...] = ()


class CacheKey(Part, frozen=True, kw_only=True):
    """What, besides method, path and partition, makes two requests the same."""

    query: Literal["All", "None"] = "All"
    headers: tuple[str, ...] = ()


class CacheRule(Part, frozen=True, kw_only=True):
    """Answers to store. `store` names a StoreConfig of the same RuntimeConfig; tags are shared by all rules of the pool."""

    name: str
    policy: str
    store: str
    mode: Mode = "Enforce"
    match: Match
    ttl_ms: int
    ttl_jitter_percent: int = 10
    stale_while_revalidate_ms: int | None = None  # None: as the upstream says
    stale_if_error_ms: int | None = None  # None: as the upstream says
    stale_while_open_ms: int | None = None  # None: as stale_if_error_ms
    negative_ttl_ms: int = 0
    min_latency_ms: int = 0
    partition: Partition = Partition()
    key: CacheKey = CacheKey()
    upstream_directives: Literal["Honor", "Ignore"] = "Honor"
    tags: tuple[str, ...] = ()
    batch: Batch | None = None


class Invalidation(Part, frozen=True, kw_only=True):
    """Operations after (and during) which everything is dead that carries one of `tags`, is an answer of one of `rules`, or whose path is
    one of `paths`: templates, whose variables have the values of the same ones of `match`, and stand for anything where it has none."""

    name: str
    policy: str
    match: Match
    tags: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class WarmRequest(Part, frozen=True, kw_only=True):
    """A GET whose answer is fetched before anybody asks; `headers` are (name, value)."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()


class Warming(Part, frozen=True, kw_only=True):
    """Answers that one policy wants to have ready."""

    policy: str
    requests_per_second: int = 5
    requests: tuple[WarmRequest, ...] = ()


class Window(Part, frozen=True, kw_only=True):
    """What a failure rate is computed over: the last `calls` calls, or the calls of the last `duration_ms`."""

    type: Literal["Time", "Count"] = "Time"
    duration_ms: int = 30_000
    calls: int = 100
    minimum_calls: int = 10


class Trip(Part, frozen=True, kw_only=True):
    """What opens a circuit; 0 switches a condition off."""

    failure_rate_percent: int = 50
    slow_call_rate_percent: int = 0
    slow_call_duration_ms: int = 2_000
    consecutive_failures: int = 0


class FailureOn(Part, frozen=True, kw_only=True):
    """What counts as a failure: statuses (`5xx`, `429`) and errors of the transport."""

    statuses: tuple[str, ...] = ("5xx",)
    errors: tuple[str, ...] = ("Connect", "Timeout", "Reset")


class Open(Part, frozen=True, kw_only=True):
    """How long a circuit stays open: `duration_ms` x (`backoff_percent`/100)^(trips in a row), capped, jittered."""

    duration_ms: int = 60_000
    backoff_percent: int = 100
    max_duration_ms: int = 300_000
    jitter_percent: int = 0


class HalfOpen(Part, frozen=True, kw_only=True):
    """At most `max_probes` calls at once; closes when of `minimum_probes` results `success_rate_percent` are good."""

    max_probes: int = 3
    success_rate_percent: int = 80
    minimum_probes: int = 3


class Retry(Part, frozen=True, kw_only=True):
    """Attempts in all (1: no retry), how much load retries may add, and how long one attempt may take (0: as the request)."""

    max_attempts: int = 1
    budget_percent: int = 20
    per_try_timeout_ms: int = 0


class Fallback(Part, frozen=True, kw_only=True):
    """One step of the chain that answers when the upstream can't: tried in order, first applicable one wins."""

    type: Literal["StaleCache", "Static", "FailFast", "Upstream"]
    causes: tuple[Cause, ...] = ()  # empty: all
    pool: str = ""  # with Upstream: another pool of the same RuntimeConfig
    status: int = 503
    body: str = ""
    content_type: str = "application/json"
    retry_after_ms: int = 0


class BreakerRule(Part, frozen=True, kw_only=True):
    """One circuit (`scope` Rule) or one per operation (`scope` Operation, bounded)."""

    name: str
    policy: str
    mode: BreakerMode = "Enforce"
    match: Match = Match()
    scope: Literal["Rule", "Operation"] = "Rule"
    window: Window = Window()
    trip: Trip = Trip()
    failure_on: FailureOn = FailureOn()
    open: Open = Open()
    half_open: HalfOpen = HalfOpen()
    max_concurrent_calls: int = 0  # 0: as many as the pool has connections
    retry: Retry = Retry()
    fallback: tuple[Fallback, ...] = ()


class Tls(Part, frozen=True, kw_only=True):
    """TLS towards the upstream. `ca`, `certificate` and `key` are names of files in the folder that is mounted for them."""

    mode: Literal["Disabled", "Simple"] = "Disabled"
    server_name: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""


class Upstream(Part, frozen=True, kw_only=True):
    """The one service of a pool."""

    protocol: Literal["HTTP", "MCP", "PostgreSQL"] = "HTTP"
    host: str
    port: int
    tls: Tls = Tls()


class Bind(Part, frozen=True, kw_only=True):
    """Where the sidecar listens for a pool. Address: `address`:`port` as in SLIPSTREAM_<POOL>_URL. Alias: the upstream's own port on the
    same address, used only by pods whose hosts file names it. Local: the standalone command."""

    kind: Literal["Address", "Alias", "Local"]
    address: str
    port: int


class Passthrough(Part, frozen=True, kw_only=True):
    """A further port of an aliased host, forwarded raw."""

    address: str
    port: int


class Limits(Part, frozen=True, kw_only=True):
    """Bounds of one pool in one pod."""

    max_connections: int = 100
    min_connections: int = 0
    max_pending: int = 1024
    acquire_timeout_ms: int = 10_000
    connect_timeout_ms: int = 2_000
    request_timeout_ms: int = 30_000
    idle_timeout_ms: int = 60_000
    max_lifetime_ms: int = 600_000
    reuse: Literal["LIFO", "FIFO"] = "LIFO"
    max_header_bytes: int = 65_536
    max_headers: int = 128
    max_url_bytes: int = 16_384
    max_body_bytes: int = 0  # 0: as long as it is


class HealthCheck(Part, frozen=True, kw_only=True):
    """A background check of an upstream: GET `path`, or a bare connect where `path` is empty."""

    interval_ms: int = 20_000
    timeout_ms: int = 1_000
    path: str = ""
    unhealthy_threshold: int = 3
    healthy_threshold: int = 2


class StoreConfig(Part, frozen=True, kw_only=True):
    """One bounded store of answers: one per CachePolicy and pod."""

    name: str
    max_bytes: int = 64 << 20
    max_entries: int = 50_000
    max_entry_bytes: int = 1 << 20
    eviction: Literal["LRU", "SIEVE"] = "LRU"
    max_partition_percent: int = 100
    compression: Literal["None", "Zstd"] = "None"
    compression_min_bytes: int = 4_096


class Pool(Part, frozen=True, kw_only=True):
    """One upstream with everything that stands before it. Rules are in matching order, most specific first."""

    name: str
    upstream: Upstream
    binds: tuple[Bind, ...] = ()
    passthrough: tuple[Passthrough, ...] = ()
    limits: Limits = Limits()
    health_check: HealthCheck | None = None
    cache_rules: tuple[CacheRule, ...] = ()
    invalidations: tuple[Invalidation, ...] = ()
    warming: tuple[Warming, ...] = ()
    breaker_rules: tuple[BreakerRule, ...] = ()


class RuntimeConfig(Part, frozen=True, kw_only=True):
    """Everything that one workload's sidecars enforce; pools and stores sorted by name."""

    schema_version: int = SCHEMA_VERSION
    namespace: str
    workload: str
    pools: tuple[Pool, ...] = ()
    stores: tuple[StoreConfig, ...] = ()


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def revision(config: RuntimeConfig) -> str:
    """sha256 of the canonical JSON, hex, 64 characters."""
    return hashlib.sha256(canonical(config)).hexdigest()


def decode(data: bytes) -> RuntimeConfig:
    """The configuration in `data`; raises msgspec.ValidationError that names the offending path."""
    return msgspec.json.decode(data, type=RuntimeConfig)
