"""The circuits of a pool: one per rule or operation, bounded, kept over reloads; what counts as a failure."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.breaker import REFUSED
from slipstream_runtime.cores.circuits import MAX_CIRCUITS, MAX_TRANSITIONS, Circuits
from slipstream_runtime.cores.outcomes import Failures
from tests.fakes.cores import Dice, a_breaker_rule

NOW = 1_000.0
BY_OPERATION = a_breaker_rule("ops", scope="Operation", trip=config.Trip(consecutive_failures=1))


def some(*rules: config.BreakerRule) -> Circuits:
    circuits = Circuits(Dice())
    circuits.configure(rules, NOW)
    return circuits


def fail(circuits: Circuits, circuit: tuple[str, str]) -> None:
    breaker = circuits.get(circuit, NOW)
    assert breaker is not None
    breaker.record(breaker.acquire(NOW), True, 0.0, NOW)


def test_one_circuit_per_rule() -> None:
    """All its operations share it; it is there before the first call, for status."""
    circuits = some(a_breaker_rule())
    assert [breaker.rule.name for breaker in circuits.all()] == ["default"]
    assert circuits.get(("default", ""), NOW) is circuits.all()[0]
    assert circuits.get(("unknown", ""), NOW) is None


def test_one_circuit_per_operation() -> None:
    """One that fails leaves the others closed."""
    circuits = some(BY_OPERATION)
    fail(circuits, ("ops", "GET /a"))
    states = {breaker.operation: breaker.state(NOW) for breaker in circuits.all()}
    other = circuits.get(("ops", "GET /b"), NOW)
    assert other is not None
    assert states == {"GET /a": "Open"}
    assert other.state(NOW) == "Closed"


def test_trap_36_circuits_are_bounded_and_an_open_one_is_spared() -> None:
    """Least recently used first, closed before open: forgetting an open circuit would close it."""
    circuits = some(BY_OPERATION)
    fail(circuits, ("ops", "first"))
    for n in range(MAX_CIRCUITS * 2):
        circuits.get(("ops", str(n)), NOW)
    operations = {breaker.operation for breaker in circuits.all()}
    assert len(operations) == MAX_CIRCUITS
    assert "first" in operations
    assert circuits.evictions == MAX_CIRCUITS + 1


def test_trap_36_a_reload_keeps_circuits_of_rules_that_stay() -> None:
    """By name and scope; those of other rules go."""
    circuits = some(a_breaker_rule(trip=config.Trip(consecutive_failures=1)), BY_OPERATION)
    fail(circuits, ("default", ""))
    fail(circuits, ("ops", "GET /a"))
    circuits.configure([a_breaker_rule(open=config.Open(duration_ms=5)), BY_OPERATION], NOW)
    assert [breaker.state(NOW) for breaker in circuits.all()] == ["Open", "Open"]
    circuits.configure([a_breaker_rule("other"), a_breaker_rule("ops")], NOW)
    assert [(breaker.rule.name, breaker.state(NOW)) for breaker in circuits.all()] == [("ops", "Closed"), ("other", "Closed")]
    assert circuits.get(("ops", "GET /a"), NOW) is None


def test_a_command_holds_all_circuits_of_a_rule() -> None:
    """And says how many."""
    circuits = some(a_breaker_rule(), BY_OPERATION)
    circuits.get(("ops", "GET /a"), NOW)
    circuits.get(("ops", "GET /b"), NOW)
    assert circuits.force("ops", "ForcedOpen", NOW) == 2
    held = circuits.get(("ops", "GET /b"), NOW)
    assert held is not None
    assert held.acquire(NOW) == REFUSED
    assert circuits.force("ops", "", NOW) == 2
    assert held.acquire(NOW) > 0
    assert circuits.force("unknown", "ForcedOpen", NOW) == 0


def test_transitions_are_drained_once_in_order_and_bounded() -> None:
    """Whoever logs them may be slow."""
    circuits = some(a_breaker_rule())
    for n in range(MAX_TRANSITIONS):
        circuits.force("default", "ForcedOpen" if n % 2 else "ForcedClosed", NOW)
    drained = circuits.drain()
    assert len(drained) == MAX_TRANSITIONS
    assert (drained[0].before, drained[-1].after) == ("Closed", "ForcedOpen")
    assert circuits.drain() == []


@pytest.mark.parametrize(
    ("status", "failed"), [(500, True), (503, True), (599, True), (429, True), (404, False), (200, False), (499, False)]
)
def test_statuses_are_failures_by_class_or_by_number(status: int, failed: bool) -> None:
    """`5xx`, `429`."""
    assert (status in Failures(config.FailureOn(statuses=("5xx", "429"))).statuses) == failed


def test_errors_are_failures_where_listed() -> None:
    """Others are to be released."""
    breaker = some(a_breaker_rule(failure_on=config.FailureOn(errors=("Connect",)))).get(("default", ""), NOW)
    assert breaker is not None
    failures = breaker.failures
    assert (failures.error("Connect"), failures.error("Timeout")) == (True, False)
