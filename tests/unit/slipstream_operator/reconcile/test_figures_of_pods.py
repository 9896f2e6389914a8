"""Figures: whole numbers, summed over pods, empty where there is nothing to say."""

from __future__ import annotations

import pytest

from slipstream_api.sidecar import CacheFigures, CircuitState, Connections, PoolStatus
from slipstream_operator.reconcile.figures import figure, is_open


def circuits(*states: str, shadow: bool = False) -> list[PoolStatus]:
    return [PoolStatus(name="m", circuits=(CircuitState(policy="b", rule="r", state=s, shadow=shadow),)) for s in states]  # type: ignore[arg-type]  # literals


def test_connections_in_use_of_all_pods() -> None:
    """Of another pool they don't count."""
    said = [PoolStatus(name=n, connections=Connections(in_use=3, max=100)) for n in ("memory", "memory", "other")]
    assert figure("ConnectionPool", "memory", said) == "6/200"
    assert figure("ConnectionPool", "memory", []) == ""


@pytest.mark.parametrize(
    ("hits", "stale", "misses", "shown"), [(0, 0, 0, ""), (0, 0, 5, "0%"), (2, 1, 1, "75%"), (999, 0, 1, "99%"), (5, 0, 0, "100%")]
)
def test_share_of_hits_is_never_rounded_up(hits: int, stale: int, misses: int, shown: str) -> None:
    """100% means every one; nothing is shown before the first."""
    said = [PoolStatus(name="m", cache=(CacheFigures(policy="p", hits=hits, stale=stale, misses=misses),))]
    assert figure("CachePolicy", "p", said) == shown


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ((), ""),
        (("Closed", "Closed"), "Closed"),
        (("Closed", "Open"), "Open 1/2"),
        (("ForcedOpen",), "Open 1/1"),
        (("HalfOpen", "Closed"), "HalfOpen 1/2"),
        (("HalfOpen", "Open"), "Open 1/2"),
        (("ForcedClosed",), "Closed"),
    ],
)
def test_the_worst_circuit_is_shown(states: tuple[str, ...], shown: str) -> None:
    """With how many are in that state."""
    found = figure("CircuitBreaker", "b", circuits(*states))
    assert found == shown
    assert is_open(found) == shown.startswith("Open")


def test_a_shadowed_circuit_says_so() -> None:
    """It stops nobody."""
    assert figure("CircuitBreaker", "b", circuits("Open", shadow=True)) == "Open 1/1 (shadow)"
