"""The circuit breaker under every sequence of events, against a model that keeps every permit and recounts every result."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slipstream_api import config
from slipstream_runtime.cores.breaker import REFUSED, UNCOUNTED, Breaker
from slipstream_runtime.cores.transition import Transition
from tests.fakes.cores import Dice, a_breaker_rule

ALLOWED = {("Closed", "Open"), ("Open", "HalfOpen"), ("HalfOpen", "Open"), ("HalfOpen", "Closed")}
LEASE = 5.0

WINDOWS = (
    config.Window(type="Count", calls=5, minimum_calls=3),
    config.Window(type="Time", duration_ms=9_000, minimum_calls=3),
)
rules = st.builds(
    lambda window, failure, consecutive, probes, minimum, success, jitter: a_breaker_rule(
        window=window,
        trip=config.Trip(failure_rate_percent=failure, consecutive_failures=consecutive),
        open=config.Open(duration_ms=2_000, backoff_percent=200, max_duration_ms=6_000, jitter_percent=jitter),
        half_open=config.HalfOpen(max_probes=probes, minimum_probes=minimum, success_rate_percent=success),
    ),
    st.sampled_from(
        (config.Window(type="Count", calls=5, minimum_calls=3), config.Window(type="Time", duration_ms=9_000, minimum_calls=3))
    ),
    st.sampled_from((1, 50, 100)),
    st.sampled_from((0, 2)),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from((1, 50, 80, 100)),
    st.sampled_from((0, 10)),
)


class BreakerMachine(RuleBasedStateMachine):
    """The model knows of each permit in which generation it was given, and when its lease ends."""

    @initialize(rule=rules)
    def begin(self, rule: config.BreakerRule) -> None:
        self.now = 1_000.0
        self.rule = rule
        self.generation = 0
        self.permits: list[tuple[int, int, float]] = []  # (permit, generation, lease)
        self.good = self.bad = 0  # results of this half-open generation
        self.log: list[Transition] = []
        self.breaker = Breaker(rule, "", self.now, Dice(1.0), self.on_transition, LEASE)

    def on_transition(self, transition: Transition) -> None:
        assert (transition.before, transition.after) in ALLOWED
        assert not self.log or self.log[-1].after == transition.before
        self.log.append(transition)
        self.generation += 1
        self.good = self.bad = 0

    @property
    def state(self) -> str:
        return self.log[-1].after if self.log else "Closed"

    def leased(self) -> list[tuple[int, int, float]]:
        """Probes that may still report."""
        return [one for one in self.permits if one[1] == self.generation and one[2] > self.now]

    @rule()
    def acquire(self) -> None:
        before = self.breaker.state(self.now)
        permit = self.breaker.acquire(self.now)
        if before == "Open":
            assert permit == REFUSED
            assert self.breaker.retry_after(self.now) > 0
        elif before == "Closed":
            assert permit > UNCOUNTED
        elif self.state == "HalfOpen" and permit == REFUSED:
            assert len(self.leased()) >= self.rule.half_open.max_probes  # more: a reload lowered it
        if permit != REFUSED:
            assert self.state in ("Closed", "HalfOpen")
            assert self.state == "Closed" or all(permit != other for other, _, _ in self.permits), "a probe's permit given twice"
            lease = self.now + LEASE if self.state == "HalfOpen" else float("inf")
            self.permits.append((permit, self.generation, lease))

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), failed=st.booleans())
    def record(self, data: st.DataObject, failed: bool) -> None:
        permit, generation, _ = self.permits.pop(data.draw(st.integers(0, len(self.permits) - 1)))
        before = (self.state, self.breaker.window.calls, self.breaker._results, len(self.log))
        stale = generation != self.generation
        self.breaker.record(permit, failed, 0.0, self.now)
        if stale:
            assert (self.state, self.breaker.window.calls, self.breaker._results, len(self.log)) == before, "an old result counted"

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        permit, _, _ = self.permits.pop(data.draw(st.integers(0, len(self.permits) - 1)))
        before = (self.state, self.breaker.window.calls, self.breaker._results)
        self.breaker.release(permit)
        assert (self.state, self.breaker.window.calls, self.breaker._results) == before

    @rule(seconds=st.sampled_from((0.0, 0.1, 1.0, 3.0, 20.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        self.breaker.expire(self.now)

    @rule(rule=rules)
    def reload(self, rule: config.BreakerRule) -> None:
        before = self.breaker.state(self.now)
        self.breaker.reconfigure(rule, LEASE, self.now)
        assert self.breaker.state(self.now) == before or before == "Open"
        self.rule = rule

    @invariant()
    def it_is_where_its_log_says(self) -> None:
        state = self.breaker.state(self.now)
        assert state == self.state or (state, self.state) == ("HalfOpen", "Open")
        assert self.breaker.trips == sum(transition.after == "Open" for transition in self.log)
        assert len(self.breaker._leases) <= max(3, self.rule.half_open.max_probes)
        assert 0 <= self.breaker.retry_after(self.now) <= 6.0
        assert self.breaker.since(self.now) >= 0

    @invariant()
    def it_opens_only_for_a_reason(self) -> None:
        """Every trip carries the figures that justify it."""
        if self.log and self.log[-1].after == "Open" and self.log[-1].reason == "failure-rate":
            assert self.log[-1].calls >= 3
            assert self.log[-1].failures * 100 >= self.log[-1].calls

    def teardown(self) -> None:
        """It is never wedged: with time and an upstream that answers, it closes."""
        if not hasattr(self, "breaker"):
            return
        for _ in range(50):
            self.now += 3.0
            permit = self.breaker.acquire(self.now)
            if permit != REFUSED:
                self.breaker.record(permit, False, 0.0, self.now)
        assert self.breaker.state(self.now) == "Closed"


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestTrap34BreakerUnderEverySequence = BreakerMachine.TestCase
