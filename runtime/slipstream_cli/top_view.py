"""The tables of `slipstream top`. Pure: what it is given is all it shows; it asks nobody and prints nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from slipstream_cli.console import table
from slipstream_cli.inspect import percent
from slipstream_cli.top_operations import OperationRates, alarm
from slipstream_cli.top_rates import CircuitNow, PoolRates, Quantile, Rates

OPERATIONS_SHOWN = 20  # the busiest; a pool has up to 65
CIRCUITS_SHOWN = 20  # a rule of scope Operation has up to hundreds, and those that aren't closed come first
POOLS = ("POOL", "HEALTH", "REQ/S", "ERR/S", "HIT", "P95", "CIRCUITS")  # tables that fit in 80 columns
OPERATIONS = ("POOL", "OPERATION", "REQ/S", "HIT", "P95", "CIRCUIT")
CONNECTIONS = ("POOL", "IN USE", "IDLE", "WAITING", "OPENED/S", "REUSE")
CACHES = ("POOL", "CACHE", "REQ/S", "HIT", "STALE/S", "BYPASS/S", "EVICT/S", "KEPT", "MIB")
CIRCUITS = ("POOL", "CIRCUIT", "OPERATION", "STATE", "FOR", "TRIPS")


def view(rates: Rates) -> RenderableType:
    """Everything: a line about the process, then pools, their operations, connections, cache policies and circuits."""
    parts: list[RenderableType] = [head(rates)]
    if rates.rejected:
        parts.append(Text(f"refused: {rates.rejected} (the configuration before it is in force)", style="red"))
    parts.append(table("", POOLS, [_pool(pool) for pool in rates.pools]))
    parts.extend(Text(f"{pool.name} fails: {_reasons(pool)}", style="red") for pool in rates.pools if pool.failures_per_second)
    if operations := _operations(rates.pools):
        parts.append(table("", OPERATIONS, operations[:OPERATIONS_SHOWN]))
        if len(operations) > OPERATIONS_SHOWN:
            parts.append(Text(f"and {len(operations) - OPERATIONS_SHOWN} operations more, less busy"))
    parts.append(table("", CONNECTIONS, [_connections(pool) for pool in rates.pools]))
    if caches := [row for pool in rates.pools for row in _caches(pool)]:
        parts.append(table("", CACHES, caches))
    if circuits := _circuits(rates.pools):
        parts.append(table("", CIRCUITS, circuits[:CIRCUITS_SHOWN]))
        if len(circuits) > CIRCUITS_SHOWN:
            parts.append(Text(f"and {len(circuits) - CIRCUITS_SHOWN} circuits more"))
    return Group(*parts)


def head(rates: Rates) -> Text:
    """Of the process."""
    revision = f"revision {rates.revision[:12]}" if rates.revision else "no configuration: everything passes through"
    draining = ", draining" if rates.draining else ""
    memory = f"{rates.rss_bytes >> 20} MiB"
    return Text(f"{revision}, up {duration(rates.uptime_ms)}, {memory}{draining}; the last {rates.seconds:.1f} s", style="bold")


def waiting(place: str) -> Text:
    """In the place of tables, while nothing runs."""
    return Text(f"no `slipstream run` at {place} any more: waiting for the next one", style="yellow")


def duration(milliseconds: int) -> str:
    """Coarse: 12 s, 3 m 5 s, 2 h 10 m."""
    seconds = milliseconds // 1_000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} m {seconds % 60} s"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60} m"


def quantile(found: Quantile | None) -> str:
    """An estimate is marked as one; beyond the bounds only the bound is known."""
    if found is None:
        return "-"
    if found.to is None:
        return f"> {_milliseconds(found.above)}"
    if not found.above:
        return f"< {_milliseconds(found.to)}"  # a hit, of which no duration is measured, or as fast as one
    return f"~ {_milliseconds(found.estimate)}"


def _milliseconds(value: float) -> str:
    return f"{value / 1_000:.1f} s" if value >= 1_000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or not value else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _pool(pool: PoolRates) -> tuple[str, ...]:
    return (
        pool.name,
        "ok" if pool.healthy else "UNHEALTHY",
        _rate(pool.requests_per_second),
        _rate(pool.errors_per_second),
        percent(pool.hit_ratio),
        quantile(pool.p95),
        _summary(pool.circuits),
    )


def _reasons(pool: PoolRates) -> str:
    return ", ".join(f"{reason} {_rate(rate)}/s" for reason, rate in pool.failures_per_second.items())


def _operations(pools: tuple[PoolRates, ...]) -> list[tuple[str, ...]]:
    """The busiest of all pools first."""
    found = sorted(((pool.name, each) for pool in pools for each in pool.operations), key=lambda item: -item[1].requests_per_second)
    return [
        (pool, each.operation, _rate(each.requests_per_second), percent(each.hit_ratio), quantile(each.p95), _judged(each))
        for pool, each in found
    ]


def _judged(operation: OperationRates) -> str:
    if operation.circuit is None:
        return "-"
    return f"{operation.circuit} (shadow)" if operation.shadow else operation.circuit


def _connections(pool: PoolRates) -> tuple[str, ...]:
    return (
        pool.name,
        f"{pool.in_use}/{pool.max}",
        str(pool.idle),
        str(pool.pending),
        _rate(pool.opened_per_second),
        percent(pool.reuse_ratio),
    )


def _summary(circuits: tuple[CircuitNow, ...]) -> str:
    """How many are in each state, like `1 Open, 4 Closed`; the more alarming first."""
    states = [circuit.state for circuit in circuits]
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states), key=alarm)) or "-"


def _caches(pool: PoolRates) -> list[tuple[str, ...]]:
    return [
        (
            pool.name,
            cache.policy,
            _rate(cache.requests_per_second),
            percent(cache.hit_ratio),
            _rate(cache.stale_per_second),
            _rate(cache.bypass_per_second),
            _rate(cache.evictions_per_second),
            str(cache.entries),
            f"{cache.bytes / (1 << 20):.1f}",
        )
        for cache in pool.cache
    ]


def _circuits(pools: tuple[PoolRates, ...]) -> list[tuple[str, ...]]:
    """Those that aren't closed first, else as they are configured."""
    found = sorted(((pool.name, circuit) for pool in pools for circuit in pool.circuits), key=lambda item: alarm(item[1].state))
    return [
        (
            pool,
            f"{circuit.rule} (shadow)" if circuit.shadow else circuit.rule,
            circuit.operation or "all",
            circuit.state,
            duration(circuit.since_ms),
            f"+{circuit.trips}" if circuit.trips else "-",
        )
        for pool, circuit in found
    ]
