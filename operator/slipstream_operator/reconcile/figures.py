"""A kind's own figure in `kubectl get`: connections in use, share of hits, state of the circuits. Pure; whole numbers, nothing while idle.

Counters are summed over the pods as they are, so that a figure stands still while there is no traffic.
"""

from __future__ import annotations

from collections.abc import Iterable

from slipstream_api.sidecar import CircuitState, PoolStatus

OPEN = ("Open", "ForcedOpen")


def connections(pool: str, statuses: Iterable[PoolStatus]) -> str:
    """`3/200`: in use of what may be, over all pods."""
    found = [status.connections for status in statuses if status.name == pool]
    return f"{sum(c.in_use for c in found)}/{sum(c.max for c in found)}" if found else ""


def hit_share(policy: str, statuses: Iterable[PoolStatus]) -> str:
    """`83%` of what could be answered from the store was; empty before the first such request."""
    found = [figures for status in statuses for figures in status.cache if figures.policy == policy]
    hits = sum(f.hits + f.stale for f in found)
    asked = hits + sum(f.misses for f in found)
    return f"{100 * hits // asked}%" if asked else ""


def circuits(policy: str, statuses: Iterable[PoolStatus]) -> str:
    """`Closed`, `Open 1/12`, `HalfOpen 1/12`: the worst state, and how many circuits are in it."""
    found = [circuit for status in statuses for circuit in status.circuits if circuit.policy == policy]
    if not found:
        return ""
    for states in (OPEN, ("HalfOpen",)):
        count = sum(circuit.state in states for circuit in found)
        if count:
            return f"{states[0]} {count}/{len(found)}{_suffix(found)}"
    return f"Closed{_suffix(found)}"


def _suffix(found: list[CircuitState]) -> str:
    return " (shadow)" if all(circuit.shadow for circuit in found) else ""


def is_open(figure: str) -> bool:
    """Whether a figure of circuits says that one is open."""
    return figure.startswith(OPEN[0])


def figure(kind: str, name: str, statuses: Iterable[PoolStatus]) -> str:
    """The figure of a policy from the pods' own words."""
    match kind:
        case "ConnectionPool":
            return connections(name, statuses)
        case "CachePolicy":
            return hit_share(name, statuses)
        case "CircuitBreaker":
            return circuits(name, statuses)
        case _:
            return ""
