"""CircuitBreaker under every script of calls, however they end: never wedged, no place lost, refusals say when to come again."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_api.clock import ManualClock
from slipstream_runtime.cores.transition import Transition
from slipstream_runtime.library import Call, CircuitBreaker, CircuitOpen, PoolTimeout
from tests.fakes.mutants import caught

OPEN, PROBE = 20.0, 50.0
ALLOWED = {("Closed", "Open"), ("Open", "HalfOpen"), ("HalfOpen", "Open"), ("HalfOpen", "Closed")}
ENDS: dict[str, BaseException | None] = {
    "good": None,
    "bad": OSError("down"),
    "unrelated": KeyError("of the application"),
    "cancelled": asyncio.CancelledError(),
    "refused": PoolTimeout("none free"),
    "odd": ArithmeticError("failure_on fails too"),
}
steps = st.one_of(
    st.tuples(st.just("trip")),
    st.tuples(st.just("probe"), st.none() | st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("enter")),
    st.tuples(st.just("leave"), st.integers(0, 5), st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("leave"), st.integers(0, 5), st.just("bad")),
    st.tuples(st.just("forget"), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.sampled_from((0.5, OPEN, PROBE))),
    st.tuples(st.just("command"), st.sampled_from(("force_open", "force_closed", "reset"))),
)
scripts = st.tuples(st.integers(1, 3), st.integers(1, 3), st.lists(steps, min_size=4, max_size=40))


def _failure_on(error: Exception) -> bool:
    if isinstance(error, ArithmeticError):
        raise ZeroDivisionError
    return isinstance(error, OSError)


class World:
    def __init__(self, max_probes: int, minimum_probes: int) -> None:
        self.clock = ManualClock()
        self.seen: Counter[str] = Counter()
        self.changes: list[tuple[str, str]] = []
        self.forced = False
        self.inside: list[Call] = []
        self.forgotten = 0
        self.circuit = CircuitBreaker(
            "memory",
            failure_on=_failure_on,
            on_transition=self.changed,
            clock=self.clock,
            random=lambda: 1.0,
            minimum_calls=3,
            window_calls=4,
            open_seconds=OPEN,
            max_probes=max_probes,
            minimum_probes=minimum_probes,
            success_rate_percent=100,
            probe_seconds=PROBE,
        )

    def changed(self, change: Transition) -> None:
        self.changes.append((change.before, change.after))
        self.seen[change.after] += 1

    def enter(self) -> None:
        before = self.circuit.state
        call = self.circuit.guard()
        try:
            call.__enter__()
        except CircuitOpen as refused:
            assert before != "Closed"
            if not self.forced and before == "Open":
                assert 0 < refused.retry_after <= OPEN  # noqa: PT017 (refused or not, depending on the script)
            if before == self.circuit.state == "HalfOpen":  # else a forgotten probe, now counted as bad, opened it
                assert self.inside or self.forgotten, "refused although nobody is inside: a place is lost"
            self.seen["refused"] += 1
        else:
            self.inside.append(call)

    def leave(self, index: int, end: str) -> None:
        if not self.inside:
            return
        call = self.inside.pop(index % len(self.inside))
        before = self.circuit.stats()
        error = ENDS[end]
        try:
            call.__exit__(None if error is None else type(error), error, None)
        except ZeroDivisionError:
            assert end == "odd"
        after = self.circuit.stats()
        if end not in ("good", "bad"):
            assert (after.state, after.calls, after.failures, after.trips) == (before.state, before.calls, before.failures, before.trips)
        self.seen[end] += 1

    def forget(self, index: int) -> None:
        """A call that never ends."""
        if self.inside:
            self.inside.pop(index % len(self.inside))
            self.forgotten += 1

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if seconds == PROBE:
            self.forgotten = 0

    def command(self, name: str) -> None:
        self.check()
        getattr(self.circuit, name)()
        self.forced = name != "reset"
        self.changes.clear()  # any

    def trip(self) -> None:
        """A bad time, and what follows from it."""
        for _ in range(4):
            self.enter()
            self.leave(-1, "bad")
        self.advance(OPEN)

    def probe(self, end: str | None) -> None:
        """A bad time, one probe, and somebody after it; None: the probe never ends, and its time is over."""
        self.trip()
        self.enter()
        if end is None:
            self.forget(-1)
            self.advance(PROBE)
        else:
            self.leave(-1, end)
        self.enter()

    def check(self) -> None:
        assert ALLOWED.issuperset(self.changes)
        assert all(one[1] == other[0] for one, other in pairwise(self.changes)), "a change that nobody was told of"

    def finish(self) -> None:
        """With time, and an upstream that answers, it closes; whoever never came back is waited for no longer than probe_seconds."""
        if self.forced:
            self.command("reset")
        while self.inside:
            self.leave(0, "cancelled")
        self.advance(PROBE)
        for _ in range(12):
            self.enter()
            while self.inside:
                self.leave(0, "good")
            if self.circuit.state == "Open":  # forgotten probes count as bad ones
                self.advance(OPEN)
        assert self.circuit.state == "Closed", "wedged"
        self.enter()
        assert self.inside
        self.leave(0, "good")


def play(script: tuple[int, int, list[tuple[Any, ...]]]) -> Counter[str]:
    max_probes, minimum_probes, moves = script
    world = World(max_probes, minimum_probes)
    for step, *args in moves:
        getattr(world, step)(*args)
    world.check()
    world.finish()
    return world.seen


@settings(max_examples=200, deadline=None)
@given(scripts)
def test_every_script_leaves_a_circuit_that_closes_again(script: Any) -> None:
    play(script)


def test_the_scripts_reach_what_they_are_for() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(scripts)
    def collect(script: Any) -> None:
        seen.update(play(script))

    collect()
    assert min(seen[name] for name in ("Open", "HalfOpen", "Closed", "refused", *ENDS)) > 0, seen


def _kept(self: CircuitBreaker, permit: int, since: float, failed: bool | None, original: Any = CircuitBreaker._finish) -> None:
    """A call without an outcome doesn't give its place back."""
    if failed is not None:
        original(self, permit, since, failed)


def _kept_where_the_application_fails(self: Call, kind: Any, error: BaseException | None, trace: Any) -> None:
    self._breaker._finish(self._permit, self._since, self._outcome(error))


def _anything_fails(self: Call, error: BaseException | None) -> bool | None:
    """Cancellations and refusals of our own count."""
    return self._failed if error is None else True


def _on_its_own_lease(self: CircuitBreaker, original: Any = CircuitBreaker._acquire) -> tuple[int, float]:
    """Probes are waited for without end."""
    self._core._lease = float("inf")
    permit: tuple[int, float] = original(self)
    return permit


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (CircuitBreaker, "_finish", _kept),
        (Call, "__exit__", _kept_where_the_application_fails),
        (Call, "_outcome", _anything_fails),
        (CircuitBreaker, "_acquire", _on_its_own_lease),
    ],
    ids=["no outcome keeps its place", "a failing failure_on keeps it", "anything fails", "no lease"],
)
def test_control_a_broken_one_is_caught(owner: Any, name: str, broken: Any) -> None:
    assert caught(scripts, play, owner, name, broken)
