"""The circuit breaker under people's hands: Shadow, forced, reset, reloaded."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.breaker import REFUSED, UNCOUNTED
from tests.fakes.circuit import Circuit
from tests.fakes.cores import a_breaker_rule


def test_shadow_decides_the_same_and_refuses_nothing() -> None:
    """What would have been refused is counted."""
    circuit = Circuit(mode="Shadow").opened()
    assert circuit.breaker.shadow
    assert [circuit.call() for _ in range(5)] == [UNCOUNTED] * 5
    assert (circuit.breaker.refused, circuit.breaker.would_refuse) == (0, 5)
    circuit.now += 60
    permits = [circuit.breaker.acquire(circuit.now) for _ in range(5)]
    assert [permit > 0 for permit in permits] == [True, True, True, False, False]
    for permit in permits:
        circuit.breaker.record(permit, False, 0.0, circuit.now)
    assert circuit.state == "Closed"


def test_forced_holds_whatever_happens_until_reset() -> None:
    """By command: an operator outranks results, and Shadow too."""
    circuit = Circuit(mode="Shadow")
    circuit.breaker.force("ForcedOpen", circuit.now)
    assert circuit.call() == REFUSED
    assert circuit.breaker.refused == 1
    assert circuit.breaker.retry_after(circuit.now) == 0.0
    circuit.breaker.force("ForcedClosed", circuit.now)
    assert circuit.calls("xxxxxxxx") == "ForcedClosed"
    circuit.now += 5
    assert circuit.breaker.since(circuit.now) == 5.0
    circuit.breaker.reset(circuit.now)
    assert circuit.state == "Closed"
    assert [(transition.before, transition.after) for transition in circuit.log] == [
        ("Closed", "ForcedOpen"),
        ("ForcedOpen", "ForcedClosed"),
        ("ForcedClosed", "Closed"),
    ]


@pytest.mark.parametrize(("mode", "permit"), [("ForcedOpen", REFUSED), ("ForcedClosed", UNCOUNTED)])
def test_a_mode_of_the_rule_forces_too(mode: str, permit: int) -> None:
    """And `reset` doesn't lift it."""
    circuit = Circuit(mode=mode)
    circuit.breaker.reset(circuit.now)
    assert circuit.state == mode
    assert circuit.call(failed=True) == permit


def test_trap_36_a_reload_keeps_state_and_counts() -> None:
    """Same window: the third and fourth failure open it. Another window: the state stays, counting starts anew."""
    circuit = Circuit()
    circuit.calls("xx")
    circuit.breaker.reconfigure(a_breaker_rule(trip=config.Trip(failure_rate_percent=60)), 30.0, circuit.now)
    assert circuit.calls("xx") == "Open"
    circuit.breaker.reconfigure(a_breaker_rule(window=config.Window(type="Time")), 30.0, circuit.now)
    assert circuit.state == "Open"
    circuit.now += 60
    assert circuit.calls("...") == "Closed"


def test_a_reload_may_shorten_how_long_it_stays_open_and_change_the_mode() -> None:
    """A cap of 5 s means that nobody waits longer; a forced mode is announced."""
    circuit = Circuit().opened()
    circuit.breaker.reconfigure(a_breaker_rule(open=config.Open(duration_ms=1_000, max_duration_ms=5_000)), 30.0, circuit.now)
    assert circuit.breaker.retry_after(circuit.now) == 5.0
    circuit.breaker.reconfigure(a_breaker_rule(mode="ForcedClosed"), 30.0, circuit.now)
    assert circuit.reasons[-1] == "reload"
    assert circuit.call() == UNCOUNTED


def test_since_counts_from_when_it_became_what_a_call_would_find() -> None:
    """Open that has run out is half-open since then."""
    circuit = Circuit().opened()
    circuit.now += 10
    assert circuit.breaker.since(circuit.now) == 10.0
    circuit.now += 53
    assert (circuit.state, circuit.breaker.since(circuit.now)) == ("HalfOpen", 3.0)


def test_an_upstream_that_says_when_to_come_back_is_left_alone_so_long() -> None:
    """Its Retry-After, where that is longer than the rule's own time; never longer than maxDuration; only if the circuit opens."""
    for seconds, opened in ((10.0, 60.0), (90.0, 90.0), (9_999.0, 300.0)):
        circuit = Circuit(open=config.Open(duration_ms=60_000, max_duration_ms=300_000))
        circuit.breaker.asked(seconds, circuit.now)
        assert circuit.state == "Closed"
        assert circuit.opened().breaker.retry_after(circuit.now) == opened


def test_what_an_upstream_asked_before_it_recovered_is_over() -> None:
    """Probes closed the circuit: the next time it opens for its own time."""
    circuit = Circuit(
        open=config.Open(duration_ms=1_000, max_duration_ms=300_000), half_open=config.HalfOpen(max_probes=1, minimum_probes=1)
    )
    circuit.breaker.asked(100.0, circuit.now)
    circuit.opened().now += 100.0
    assert circuit.calls(".") == "Closed"
    circuit.breaker.asked(-1.0, circuit.now)
    assert circuit.opened().breaker.retry_after(circuit.now) == 1.0


def test_a_rule_lets_so_many_calls_be_under_way() -> None:
    """None is refused where the rule has no bound, or is in Shadow."""
    for bound, mode, full in ((0, "Enforce", False), (2, "Enforce", True), (3, "Enforce", False), (2, "Shadow", False)):
        circuit = Circuit(max_concurrent_calls=bound, mode=mode)
        circuit.breaker.under_way = 2
        assert circuit.breaker.full is full


def test_only_a_closed_circuit_lets_all_calls_through() -> None:
    """A half-open one lets probes through, which a further attempt must not be."""
    assert Circuit().breaker.lets_all(1_000.0)
    assert Circuit(mode="ForcedClosed").breaker.lets_all(1_000.0)
    assert not Circuit(mode="ForcedOpen").breaker.lets_all(1_000.0)
    opened, half = Circuit().opened(), Circuit().half_open()
    assert not opened.breaker.lets_all(opened.now)
    assert not half.breaker.lets_all(half.now)
