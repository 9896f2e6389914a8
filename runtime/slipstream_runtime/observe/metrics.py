"""Prometheus text from the plain counters, made when it is asked for. Labels are pools, policies, rules and operations: as many as
configured, and of operations a bounded number (figures)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from slipstream_api.sidecar import PoolStatus, SidecarStatus
from slipstream_runtime.cores.buckets import BOUNDS
from slipstream_runtime.observe.access import AccessLog
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.raw_ports import RawPorts
from slipstream_runtime.proxy.service import HttpService

STATES = ("Closed", "Open", "HalfOpen", "ForcedOpen", "ForcedClosed")
_OF_NO_POOL = (failures.CLIENTS_FULL, failures.STARTING)  # connections are refused, or there is no pool yet
REASONS = sorted({found.reason for found in vars(failures).values() if isinstance(found, failures.Failure) and found not in _OF_NO_POOL})


def exposition(
    status: SidecarStatus, services: Mapping[str, HttpService], clients: int, refused: int = 0, raw: RawPorts | None = None
) -> bytes:
    """The whole page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(status, services, clients, refused))
    if raw is not None:
        registry.register(_Raw(raw))
    return generate_latest(registry)


def access_exposition(access: AccessLog) -> bytes:
    """Of the access log, where there is one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_AccessLines(access))
    return generate_latest(registry)


class _AccessLines(Collector):
    def __init__(self, access: AccessLog) -> None:
        self._access = access

    def collect(self) -> Iterator[Metric]:
        lines = CounterMetricFamily("slipstream_access_log_lines", "Lines of the access log.", labels=["result"])
        lines.add_metric(["kept"], self._access.kept)
        lines.add_metric(["dropped"], self._access.dropped)
        lines.add_metric(["suppressed"], self._access.suppressed)
        yield lines


class _Raw(Collector):
    def __init__(self, ports: RawPorts) -> None:
        self._ports = ports

    def collect(self) -> Iterator[Metric]:
        now = "Connections of raw ports to upstreams, those being opened included; they are among slipstream_connections."
        yield GaugeMetricFamily("slipstream_raw_connections", now, value=self._ports.in_use)
        refused = "Callers of raw ports that were turned away, since all connections together had no place for another."
        yield CounterMetricFamily("slipstream_raw_connections_refused", refused, value=self._ports.refused)


class _Snapshot(Collector):
    def __init__(self, status: SidecarStatus, services: Mapping[str, HttpService], clients: int, refused: int) -> None:
        self._status, self._services, self._clients, self._refused = status, services, clients, refused

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("slipstream_config_info", "The configuration in force.", labels=["revision", "source"])
        info.add_metric([self._status.revision[:12], self._status.source], 1)
        yield info
        yield GaugeMetricFamily("slipstream_clients", "Open connections of clients.", value=self._clients)
        yield CounterMetricFamily("slipstream_clients_refused", "Connections of clients beyond the bound.", value=self._refused)
        yield GaugeMetricFamily(
            "slipstream_connections",
            "Connections to upstreams, of all pools and raw ports, those being opened included.",
            value=self._status.connections,
        )
        yield GaugeMetricFamily("slipstream_connections_limit", "As many as there may be.", value=self._status.max_connections)
        yield from _connections(self._status.pools)
        yield from _pool_work(self._services)
        yield from _caches(self._status.pools)
        yield from _circuits(self._status.pools)
        yield from _circuit_changes(self._services)
        yield from _requests(self._services)
        yield from _unanswered(self._services)
        yield from _durations(self._services)


def _connections(pools: tuple[PoolStatus, ...]) -> Iterator[Metric]:
    now = GaugeMetricFamily("slipstream_pool_connections", "Connections to the upstream.", labels=["pool", "state"])
    pending = GaugeMetricFamily("slipstream_pool_pending", "Requests that wait for a connection.", labels=["pool"])
    opened = CounterMetricFamily("slipstream_pool_connections_opened", "Connections opened.", labels=["pool"])
    evicted = CounterMetricFamily("slipstream_pool_connections_evicted", "Idle ones closed to make room for another pool.", labels=["pool"])
    failed = CounterMetricFamily("slipstream_pool_connections_failed", "Attempts to connect that failed.", labels=["pool"])
    lost = CounterMetricFamily("slipstream_pool_connections_lost", "Idle ones that the upstream closed.", labels=["pool"])
    healthy = GaugeMetricFamily("slipstream_pool_healthy", "What the health check says.", labels=["pool"])
    for pool in pools:
        now.add_metric([pool.name, "in_use"], pool.connections.in_use)
        now.add_metric([pool.name, "idle"], pool.connections.idle)
        pending.add_metric([pool.name], pool.connections.pending)
        opened.add_metric([pool.name], pool.connections.opened_total)
        evicted.add_metric([pool.name], pool.connections.evicted_total)
        failed.add_metric([pool.name], pool.connections.failed_total)
        lost.add_metric([pool.name], pool.connections.lost_total)
        healthy.add_metric([pool.name], int(pool.healthy))
    yield from (now, pending, opened, failed, lost, evicted, healthy)


def _pool_work(services: Mapping[str, HttpService]) -> Iterator[Metric]:
    """What the pools' own counters say besides; of the waits the durations are a histogram."""
    labels = ["pool"]
    connecting = CounterMetricFamily(
        "slipstream_pool_connect_seconds", "Time spent opening connections, failed ones included.", labels=labels
    )
    usage = CounterMetricFamily("slipstream_pool_usage_seconds", "Time that connections were in use.", labels=labels)
    bad = CounterMetricFamily(
        "slipstream_pool_connections_unusable",
        "Connections that a request left unusable, or their upstream closed after it.",
        labels=labels,
    )
    queued = CounterMetricFamily("slipstream_pool_requests_queued", "Requests that had to wait for a connection.", labels=labels)
    refused = CounterMetricFamily(
        "slipstream_pool_requests_refused", "Requests refused a connection at once, without waiting.", labels=labels
    )
    for name, service in services.items():
        stats = service.pool.core.stats
        connecting.add_metric([name], stats.connections_ms / 1_000)
        usage.add_metric([name], stats.usage_ms / 1_000)
        bad.add_metric([name], stats.returns_bad)
        queued.add_metric([name], stats.requests_queued)
        refused.add_metric([name], stats.requests_refused)
    yield from (connecting, usage, bad, queued, refused)


def _caches(pools: tuple[PoolStatus, ...]) -> Iterator[Metric]:
    labels = ["pool", "policy"]
    outcomes = CounterMetricFamily("slipstream_cache_requests", "Requests that a cache rule matched.", labels=[*labels, "outcome"])
    entries = GaugeMetricFamily("slipstream_cache_entries", "Stored answers.", labels=labels)
    size = GaugeMetricFamily("slipstream_cache_bytes", "Memory of stored answers.", labels=labels)
    evictions = CounterMetricFamily("slipstream_cache_evictions", "Answers that made room.", labels=labels)
    revalidated = CounterMetricFamily(
        "slipstream_cache_revalidated", "Misses for which the upstream confirmed what was stored.", labels=labels
    )
    batches = CounterMetricFamily("slipstream_cache_batches", "Calls to a batch endpoint.", labels=labels)
    batched = CounterMetricFamily("slipstream_cache_batched", "Misses that a batch answered.", labels=labels)
    refreshed = CounterMetricFamily("slipstream_cache_refreshed", "Answers fetched anew while a stale one was served.", labels=labels)
    shadow = CounterMetricFamily("slipstream_cache_shadow", "Shadow: hits that would have been wrong.", labels=[*labels, "fault"])
    stored = CounterMetricFamily("slipstream_cache_stored", "Answers that were stored.", labels=labels)
    rejected = CounterMetricFamily(
        "slipstream_cache_rejected", "Answers that weren't stored, since they mustn't be or don't fit.", labels=labels
    )
    for pool in pools:
        for cache in pool.cache:
            stored.add_metric([pool.name, cache.policy], cache.stored)
            rejected.add_metric([pool.name, cache.policy], cache.rejected)
            revalidated.add_metric([pool.name, cache.policy], cache.revalidated)
            batches.add_metric([pool.name, cache.policy], cache.batches)
            batched.add_metric([pool.name, cache.policy], cache.batched)
            refreshed.add_metric([pool.name, cache.policy], cache.refreshed)
            shadow.add_metric([pool.name, cache.policy, "stale"], cache.would_stale)
            shadow.add_metric([pool.name, cache.policy, "leak"], cache.would_leak)
            for outcome in ("hits", "misses", "stale", "coalesced", "bypass"):
                outcomes.add_metric([pool.name, cache.policy, outcome], getattr(cache, outcome))
            entries.add_metric([pool.name, cache.policy], cache.entries)
            size.add_metric([pool.name, cache.policy], cache.bytes)
            evictions.add_metric([pool.name, cache.policy], cache.evictions)
    yield from (outcomes, revalidated, batches, batched, refreshed, shadow, stored, rejected, entries, size, evictions)


def _circuits(pools: tuple[PoolStatus, ...]) -> Iterator[Metric]:
    state = GaugeMetricFamily("slipstream_circuits", "Circuits by state.", labels=["pool", "rule", "state"])
    trips = CounterMetricFamily("slipstream_circuit_trips", "Times that a circuit opened.", labels=["pool", "rule"])
    refused = CounterMetricFamily("slipstream_circuit_refused", "Calls that an open circuit refused.", labels=["pool", "rule"])
    would = CounterMetricFamily(
        "slipstream_circuit_would_refuse", "Shadow: calls that the circuit would have refused.", labels=["pool", "rule"]
    )
    for pool in pools:
        for rule in dict.fromkeys(circuit.rule for circuit in pool.circuits):
            of_rule = [circuit for circuit in pool.circuits if circuit.rule == rule]
            for name in STATES:
                state.add_metric([pool.name, rule, name], sum(circuit.state == name for circuit in of_rule))
            trips.add_metric([pool.name, rule], sum(circuit.trips_total for circuit in of_rule))
            refused.add_metric([pool.name, rule], sum(circuit.refused_total for circuit in of_rule))
            would.add_metric([pool.name, rule], sum(circuit.would_refuse_total for circuit in of_rule))
    yield from (state, trips, refused, would)


def _circuit_changes(services: Mapping[str, HttpService]) -> Iterator[Metric]:
    changes = CounterMetricFamily("slipstream_circuit_transitions", "Changes of circuits' states.", labels=["pool"])
    evicted = CounterMetricFamily("slipstream_circuits_evicted", "Circuits of operations that made room for others.", labels=["pool"])
    for name, service in services.items():
        changes.add_metric([name], service.figures.transitions)
        evicted.add_metric([name], service.circuits.evictions)
    yield from (changes, evicted)


def _requests(services: Mapping[str, HttpService]) -> Iterator[Metric]:
    total = CounterMetricFamily("slipstream_requests", "Requests.", labels=["pool"])
    errors = CounterMetricFamily("slipstream_errors", "Requests that the upstream didn't answer.", labels=["pool"])
    answers = CounterMetricFamily("slipstream_upstream_answers", "The upstream's answers.", labels=["pool", "class"])
    retries = CounterMetricFamily(
        "slipstream_retries",
        "Further attempts (made), and requests that one of them brought an answer (answered).",
        labels=["pool", "outcome"],
    )
    refused = CounterMetricFamily("slipstream_retries_refused", "Attempts that weren't made, and why.", labels=["pool", "reason"])
    for name, service in services.items():
        figures = service.figures
        total.add_metric([name], figures.requests)
        errors.add_metric([name], figures.errors)
        for status_class in range(1, 6):
            answers.add_metric([name, f"{status_class}xx"], figures.by_class[status_class])
        retries.add_metric([name, "made"], figures.retries_made)
        retries.add_metric([name, "answered"], figures.retries_answered)
        for reason, times in figures.retries_refused.items():
            refused.add_metric([name, reason], times)
    yield from (total, errors, answers, retries, refused)


def _unanswered(services: Mapping[str, HttpService]) -> Iterator[Metric]:
    """Why requests failed, every reason from the start, so that a rate sees the first one; and what else became of some."""
    failed = CounterMetricFamily(
        "slipstream_failures", "Requests that the upstream didn't answer, by X-Slipstream-Reason.", labels=["pool", "reason"]
    )
    cancelled = CounterMetricFamily("slipstream_cancelled", "Requests whose client left first.", labels=["pool"])
    resent = CounterMetricFamily("slipstream_resent", "Requests sent again since an idle connection proved closed.", labels=["pool"])
    flights = CounterMetricFamily(
        "slipstream_flights",
        "Misses that called the upstream for all who want the same (led), waited for one (joined), or mustn't share (solo).",
        labels=["pool", "role"],
    )
    for name, service in services.items():
        figures, shared = service.figures, service.flights
        for reason in sorted({*REASONS, *figures.failures}):
            failed.add_metric([name, reason], figures.failures.get(reason, 0))
        cancelled.add_metric([name], figures.cancelled)
        resent.add_metric([name], figures.retries)
        for role, times in (("led", shared.led), ("joined", shared.joined), ("solo", shared.solo)):
            flights.add_metric([name, role], times)
    yield from (failed, cancelled, resent, flights)


def _durations(services: Mapping[str, HttpService]) -> Iterator[Metric]:
    labels = ["pool", "operation"]
    hits = CounterMetricFamily("slipstream_hits", "Requests that were answered from a store.", labels=labels)
    seconds = HistogramMetricFamily("slipstream_request_seconds", "Duration of requests; a hit is in the first bucket.", labels=labels)
    wait = HistogramMetricFamily(
        "slipstream_pool_wait_seconds", "Wait for a connection; one that was idle is in the first bucket.", labels=["pool"]
    )
    for name, service in services.items():
        for operation, figures in service.figures.operations.items():
            hits.add_metric([name, operation], figures.hits)
            seconds.add_metric([name, operation], _buckets(figures.hits, figures.buckets), figures.seconds)
        stats = service.pool.core.stats
        at_once = stats.requests_num - stats.requests_queued - stats.requests_refused
        wait.add_metric([name], _buckets(at_once, stats.waits), stats.requests_wait_ms / 1_000)
    yield from (hits, seconds, wait)


def _buckets(first: int, counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them; `first`: that many more in the first one."""
    count, buckets = first, []
    for bound, more in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        count += more
        buckets.append((bound, float(count)))
    return buckets
