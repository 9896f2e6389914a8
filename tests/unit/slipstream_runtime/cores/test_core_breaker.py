"""The circuit breaker: when it opens, what it lets through, when it closes, and whose results count."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.breaker import REFUSED
from tests.fakes.circuit import Circuit

OPEN = config.Open(duration_ms=60_000)


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("xxx", "Closed"),  # under the volume threshold of 4
        ("xxxx", "Open"),
        ("x.x.", "Open"),  # exactly 50 %
        ("x...x", "Closed"),  # 40 %
        ("xx..", "Open"),  # a success that completes the minimum evaluates too
        ("", "Closed"),
    ],
)
def test_trap_36_it_opens_at_the_failure_rate_once_enough_calls_were_made(outcomes: str, state: str) -> None:
    """Edges of the volume threshold; zero traffic is closed."""
    assert Circuit().calls(outcomes) == state


def test_old_calls_do_not_count() -> None:
    """Ten calls in the window: failures that have left it no longer matter."""
    circuit = Circuit(trip=config.Trip(failure_rate_percent=60))
    assert circuit.calls("xx" + "." * 8 + "xxxxx") == "Closed"
    timed = Circuit(window=config.Window(type="Time", duration_ms=10_000, minimum_calls=4))
    timed.calls("xxx")
    timed.now += 11
    assert timed.calls("x") == "Closed"
    assert timed.calls("xxx") == "Open"


def test_a_minimum_beyond_a_count_window_is_that_of_the_window() -> None:
    """Otherwise it could never open."""
    assert Circuit(window=config.Window(type="Count", calls=2, minimum_calls=50)).calls("xx") == "Open"


@pytest.mark.parametrize(
    ("trip", "outcomes", "state", "reason"),
    [
        (config.Trip(failure_rate_percent=0, consecutive_failures=3), "..xxx", "Open", "consecutive-failures"),
        (config.Trip(failure_rate_percent=0, consecutive_failures=3), "xx.xx", "Closed", ""),
        (config.Trip(failure_rate_percent=0, consecutive_failures=1), "x", "Open", "consecutive-failures"),
        (config.Trip(failure_rate_percent=0, slow_call_rate_percent=50), "s.s.", "Open", "slow-call-rate"),
        (config.Trip(failure_rate_percent=0, slow_call_rate_percent=50), "s...", "Closed", ""),
        (config.Trip(failure_rate_percent=0), "xxxxxxxxxx", "Closed", ""),
        (config.Trip(failure_rate_percent=50), "ssss", "Closed", ""),
    ],
)
def test_every_condition_can_open_it_and_be_switched_off(trip: config.Trip, outcomes: str, state: str, reason: str) -> None:
    """0 switches a condition off."""
    circuit = Circuit(trip=trip)
    assert circuit.calls(outcomes) == state
    assert circuit.reasons == ([reason] if reason else [])


def test_open_refuses_for_its_time_and_says_how_long() -> None:
    """retry_after counts down; then the next call is a probe."""
    circuit = Circuit(open=OPEN).opened()
    assert circuit.call() == REFUSED
    assert circuit.breaker.retry_after(circuit.now) == 60.0
    circuit.now += 59.9
    assert circuit.call() == REFUSED
    assert circuit.breaker.retry_after(circuit.now) == pytest.approx(0.1)
    circuit.now += 0.1
    assert circuit.call() > 0
    assert (circuit.breaker.refused, circuit.breaker.trips) == (2, 1)


def test_backoff_grows_with_trips_in_a_row_is_capped_and_starts_anew_after_closing() -> None:
    """10, 20, 40, then the cap of 50; jitter only shortens, so the cap holds."""
    circuit = Circuit(open=config.Open(duration_ms=10_000, backoff_percent=200, max_duration_ms=50_000, jitter_percent=10)).opened()
    durations = []
    for _ in range(5):
        durations.append(circuit.breaker.retry_after(circuit.now))
        circuit.now += durations[-1]
        circuit.call(failed=True)
    assert durations == [10.0, 20.0, 40.0, 50.0, 50.0]
    circuit.now += 50
    assert circuit.calls("...") == "Closed"
    circuit.dice.value = 1.0
    assert circuit.calls("xxxx") == "Open"
    assert circuit.breaker.retry_after(circuit.now) == pytest.approx(9.0)


def test_backoff_of_a_circuit_that_never_recovers_stays_a_number() -> None:
    """A thousand trips in a row don't overflow."""
    circuit = Circuit(open=config.Open(duration_ms=1_000, backoff_percent=1_000, max_duration_ms=5_000)).opened()
    for _ in range(1_000):
        circuit.now += 5
        circuit.call(failed=True)
    assert circuit.breaker.retry_after(circuit.now) == 5.0


def test_trap_34_a_herd_at_half_open_gets_exactly_the_probes() -> None:
    """1,000 callers, 3 permits; the rest are refused at once."""
    circuit = Circuit().half_open()
    permits = [circuit.breaker.acquire(circuit.now) for _ in range(1_000)]
    granted = [permit for permit in permits if permit != REFUSED]
    assert len(granted) == len(set(granted)) == 3
    for permit in granted:
        circuit.breaker.record(permit, False, 0.0, circuit.now)
    assert circuit.state == "Closed"
    assert circuit.reasons == ["failure-rate", "open-time-over", "probes-succeeded"]


@pytest.mark.parametrize(
    ("half_open", "outcomes", "state"),
    [
        (config.HalfOpen(minimum_probes=3, success_rate_percent=80), "..", "HalfOpen"),
        (config.HalfOpen(minimum_probes=3, success_rate_percent=80), "...", "Closed"),
        (config.HalfOpen(minimum_probes=3, success_rate_percent=80), "x", "Open"),  # 80 % of 3 can't be reached any more
        (config.HalfOpen(minimum_probes=4, success_rate_percent=50), "xx", "HalfOpen"),
        (config.HalfOpen(minimum_probes=4, success_rate_percent=50), "xx..", "Closed"),
        (config.HalfOpen(minimum_probes=4, success_rate_percent=50), "xx.x", "Open"),
        (config.HalfOpen(minimum_probes=5, max_probes=1, success_rate_percent=100), ".....", "Closed"),
    ],
)
def test_half_open_decides_as_soon_as_the_probes_have(half_open: config.HalfOpen, outcomes: str, state: str) -> None:
    """By success rate over the minimum of probes."""
    assert Circuit(half_open=half_open).half_open().calls(outcomes) == state


def test_a_slow_probe_is_no_success_where_slowness_opens() -> None:
    """Otherwise the circuit would flap."""
    assert Circuit(trip=config.Trip(slow_call_rate_percent=50)).half_open().calls("s") == "Open"
    assert Circuit().half_open().calls("sss") == "Closed"


def test_trap_34_probes_that_hang_count_as_failed_when_their_lease_is_over() -> None:
    """The circuit isn't wedged half-open, and a result that comes later is ignored."""
    circuit = Circuit(lease=30.0).half_open()
    permits = [circuit.breaker.acquire(circuit.now) for _ in range(3)]
    circuit.now += 29.9
    assert circuit.breaker.acquire(circuit.now) == REFUSED
    circuit.now += 0.1
    circuit.breaker.expire(circuit.now)
    assert circuit.state == "Open"
    for permit in permits:
        circuit.breaker.record(permit, False, 0.0, circuit.now)
    assert circuit.state == "Open"
    assert circuit.breaker.trips == 2


def test_trap_34_a_call_itself_finds_leases_that_are_over() -> None:
    """No sweep is needed."""
    circuit = Circuit(lease=30.0, half_open=config.HalfOpen(max_probes=1, minimum_probes=4, success_rate_percent=50)).half_open()
    circuit.breaker.acquire(circuit.now)
    circuit.now += 30
    assert circuit.breaker.acquire(circuit.now) > 0


@pytest.mark.parametrize(("steps", "state"), [("", "HalfOpen"), ("s", "Open"), ("sa", "HalfOpen"), ("ss", "Open")])
def test_trap_34_a_lease_ends_badly_only_while_the_upstream_has_the_call(steps: str, state: str) -> None:
    """`s`: it is sent, `a`: it is answered and its caller reads. Each begins it anew; whosever time it was, the place is free then."""
    circuit = Circuit(lease=30.0, half_open=config.HalfOpen(max_probes=1, minimum_probes=1)).half_open()
    permit = circuit.breaker.acquire(circuit.now, False)
    for step in steps:
        circuit.now += 20
        assert circuit.breaker.acquire(circuit.now) == REFUSED
        circuit.breaker.renew(permit, circuit.now, step == "a")
    circuit.now += 29.9
    assert circuit.breaker.acquire(circuit.now) == REFUSED
    circuit.now += 0.1
    circuit.breaker.expire(circuit.now)
    assert circuit.state == state
    assert not circuit.breaker.excused
    circuit.breaker.renew(permit, circuit.now, False)  # too late
    circuit.breaker.record(permit, False, 0.0, circuit.now)
    assert circuit.state == state
    if state == "HalfOpen":
        assert circuit.call() > 0
        assert circuit.state == "Closed"


def test_trap_34_results_of_an_older_generation_are_ignored() -> None:
    """Calls begun while closed neither fail nor pass for probes, and don't count after it closed again."""
    circuit = Circuit()
    old = [circuit.breaker.acquire(circuit.now) for _ in range(20)]
    circuit.half_open()
    circuit.breaker.record(old[0], True, 0.0, circuit.now)
    assert circuit.state == "HalfOpen"
    assert circuit.calls("...") == "Closed"
    for permit in old:
        circuit.breaker.record(permit, True, 0.0, circuit.now)
    assert circuit.state == "Closed"
    assert circuit.breaker.window.calls == 0


def test_trap_33_a_released_permit_is_no_outcome_and_frees_its_probe() -> None:
    """Cancelled, or answered with what says nothing: not wedged, not closed, not opened."""
    circuit = Circuit(half_open=config.HalfOpen(max_probes=1, minimum_probes=1)).half_open()
    for _ in range(50):
        permit = circuit.breaker.acquire(circuit.now)
        assert circuit.breaker.acquire(circuit.now) == REFUSED
        circuit.breaker.release(permit)
    assert circuit.state == "HalfOpen"
    circuit.breaker.record(permit, False, 0.0, circuit.now)  # given back already
    assert circuit.state == "HalfOpen"
    assert circuit.call() > 0
    assert circuit.state == "Closed"


def test_trap_35_local_overload_released_never_opens() -> None:
    """Our own pool being full isn't the upstream's failure."""
    circuit = Circuit()
    for _ in range(1_000):
        circuit.breaker.release(circuit.breaker.acquire(circuit.now))
    assert circuit.state == "Closed"
    assert circuit.breaker.window.calls == 0


def test_trap_19_only_the_injected_clock_opens_and_closes() -> None:
    """Time that stands still leaves it open, however many calls come."""
    circuit = Circuit().opened()
    assert {circuit.call() for _ in range(1_000)} == {REFUSED}
