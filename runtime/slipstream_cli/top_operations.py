"""What happened to each operation of a pool between two looks: rate, hits, p95, and the circuit that judges it. Pure; prints nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slipstream_api.sidecar import CircuitState
from slipstream_cli.top_durations import Buckets, Figures, Quantile, fell, quantile, since

ALARMING = ("Open", "ForcedOpen", "HalfOpen", "ForcedClosed", "Closed")  # the most alarming first


class OperationSample(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one operation at one look."""

    hits: float
    durations: Buckets


class OperationRates(Figures, frozen=True, kw_only=True):
    """Of one operation. `hit_ratio`: of all its answers, None where there were none. `circuit`: the state of the circuit that judges it,
    the most alarming where different rules do; None where no rule does, or nothing is known of which."""

    operation: str
    requests_per_second: float
    hit_ratio: float | None
    p95: Quantile | None
    circuit: str | None
    shadow: bool  # of that circuit


def operations(
    before: Mapping[str, OperationSample], after: Mapping[str, OperationSample], circuits: tuple[CircuitState, ...], seconds: float
) -> tuple[OperationRates, ...]:
    """The busiest first. One that is new, or whose counts went back, counts from zero."""
    judges = _judges(circuits)
    found = []
    for name, now in after.items():
        then = before.get(name)
        if then is None or then.hits > now.hits or fell(then.durations, now.durations):
            then = OperationSample(hits=0.0, durations=())
        between = since(then.durations, now.durations)
        count, hits = sum(more for _, more in between), now.hits - then.hits
        judge = judges.get(name)
        found.append(
            OperationRates(
                operation=name,
                requests_per_second=count / seconds,
                hit_ratio=min(1.0, hits / count) if count else None,
                p95=quantile(between, 0.95),
                circuit=None if judge is None else judge.state,
                shadow=judge is not None and judge.shadow,
            )
        )
    return tuple(sorted(found, key=lambda rates: (-rates.requests_per_second, rates.operation)))


def alarm(state: str) -> int:
    """Its place among states; the most alarming is 0."""
    return ALARMING.index(state)


def _judges(circuits: tuple[CircuitState, ...]) -> dict[str, CircuitState]:
    """By operation."""
    found: dict[str, CircuitState] = {}
    for circuit in sorted(circuits, key=lambda circuit: alarm(circuit.state), reverse=True):
        for operation in circuit.operations or (circuit.operation,):
            found[operation] = circuit
    return found
