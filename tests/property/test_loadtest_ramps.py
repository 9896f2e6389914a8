"""Ramps are exact: N runners together have the one-runner plan's users and arrivals at any time, up and down, and nobody bunches (T17)."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.schedule import ClosedSchedule, OpenSchedule
from slipstream_loadtest.plan.stages import arrivals_before
from tests.fakes.loadtest_plans import a_plan

runners = st.integers(min_value=1, max_value=9)
users = st.integers(min_value=0, max_value=60)
rates = st.fractions(min_value=Fraction(1, 5), max_value=300, max_denominator=7)
lengths = st.integers(min_value=1, max_value=4000).map(lambda ms: Fraction(ms, 1000))
shares = st.fractions(min_value=0, max_value=1, max_denominator=97)


def replayed(schedule: ClosedSchedule, seconds: float) -> set[int]:
    """Who is active after the changes until a moment, as the engine applies them."""
    active = schedule.users_from
    for due, below in schedule.changes():
        if due <= seconds:
            active = below
    return {number for number in schedule.most if number < active}


@settings(deadline=None)
@given(users, users, lengths, shares, runners)
def test_trap_t17_users_of_a_ramp_sum_to_the_line_at_any_time(begin: int, end: int, seconds: Fraction, share: Fraction, n: int):
    """Floor of the line, every number once, also on the way down; nobody's share is more than one apart."""
    at = seconds * share
    parts = [ClosedSchedule(begin, end, seconds, index, n) for index in range(n)]
    line = floor(begin + (end - begin) * share)
    assert sorted(number for part in parts for number in part.at(at)) == list(range(line))
    sizes = [len(part.at(at)) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(users, users, lengths, shares, runners)
def test_trap_t17_changes_of_all_runners_lead_to_the_same_users(begin: int, end: int, seconds: Fraction, share: Fraction, n: int):
    """What the engine does step by step is what the line says. At the very moment of a change either is right."""
    at = float(seconds * share)
    found = {number for index in range(n) for number in replayed(ClosedSchedule(begin, end, seconds, index, n), at)}
    line = begin + (end - begin) * share
    nearby = {floor(line - Fraction(1, 10**9)), floor(line), floor(line + Fraction(1, 10**9))}
    assert found in [set(range(max(0, count))) for count in nearby]


@settings(deadline=None)
@given(users, users, lengths, runners)
def test_users_join_and_leave_one_by_one(begin: int, end: int, seconds: Fraction, n: int):
    """As far apart as the line says, over all runners."""
    moments = sorted(due for index in range(n) for due, _ in ClosedSchedule(begin, end, seconds, index, n).changes())
    assert len(moments) == abs(end - begin)
    step = float(seconds) / max(1, abs(end - begin))
    assert all(later - earlier == pytest.approx(step, rel=1e-6) for earlier, later in pairwise(moments))


def integral(begin: Fraction, end: Fraction, seconds: Fraction, at: Fraction) -> Fraction:
    return begin * at + (end - begin) * at * at / (2 * seconds)


@settings(deadline=None)
@given(rates, rates, lengths, st.fractions(min_value=0, max_value=9, max_denominator=13), runners)
def test_trap_t17_arrivals_of_a_ramp_are_the_one_runner_sequence(
    begin: Fraction, end: Fraction, seconds: Fraction, before: Fraction, n: int
):
    """Same numbers, same instants, none twice, none missing; each where the rate's integral passes its number."""
    whole = OpenSchedule(end, seconds, rate_from=begin, before=before)
    parts = [OpenSchedule(end, seconds, index, n, rate_from=begin, before=before) for index in range(n)]
    found = sorted((part.number(j), part.due(j)) for part in parts for j in range(part.count()))
    assert found == [(whole.number(j), whole.due(j)) for j in range(whole.count())]
    assert [number for number, _ in found] == list(range(ceil(before), ceil(before + integral(begin, end, seconds, seconds))))
    for number, due in found[:: max(1, len(found) // 20)]:
        assert 0 <= due <= seconds
        assert float(before + integral(begin, end, seconds, Fraction(due))) == pytest.approx(number, abs=1e-9)


def opened(plan: Plan, index: int = 0) -> Iterator[tuple[float, int]]:
    """(moment, number) of every arrival of a one-target plan, in the order of its phases."""
    for phase, before in zip(plan.phases, arrivals_before(plan.phases, plan.stages), strict=True):
        stage = plan.stage(phase.stage)
        if phase.kind not in ("Drain", "Idle"):
            begin = Fraction(phase.rate_from) if phase.kind == "Ramp" else None
            schedule = OpenSchedule(
                stage.exact_rate, Fraction(phase.duration_ms, 1000), index, plan.runners, rate_from=begin, before=before
            )
            yield from ((phase.start_ms / 1000 + schedule.due(j), schedule.number(j)) for j in range(schedule.count()))


durations = st.integers(min_value=1, max_value=1500).map(lambda ms: f"{ms}ms")
an_open_stage = st.fixed_dictionaries(
    {"ratePerSecond": st.integers(1, 80), "duration": durations}, optional={"ramp": durations, "settle": durations, "drain": durations}
)


@settings(deadline=None)
@given(st.lists(an_open_stage, min_size=1, max_size=4), st.booleans(), st.integers(1, 4))
def test_trap_t17_arrivals_never_bunch_where_phases_meet(members: list[dict[str, Any]], warm: bool, n: int):
    """Over ramps, settling and holding, of all runners: never closer than the fastest rate allows, and every number once."""
    plan = a_plan(
        stages=[{"name": f"s{at}"} | stage for at, stage in enumerate(members)],
        warmup="700ms" if warm else "0s",
        runners={"count": n},
        drain_ms=1000,
    )
    found = sorted(arrival for index in range(n) for arrival in opened(plan, index))
    assert [number for _, number in found] == list(range(len(found)))
    fastest = max(stage["ratePerSecond"] for stage in members)
    ends = {phase.end_ms / 1000 for phase in plan.phases if phase.kind == "Drain"}  # after a pause arrivals begin anew
    for (earlier, _), (later, _) in pairwise(found):
        assert later - earlier >= 1 / fastest - 1e-9 or any(earlier < end <= later for end in ends)


def test_phases_that_begin_anew_each_would_bunch():
    """The control: 3/s in windows of 500 ms. Each begun at its own 0, two arrivals lie 167 ms apart instead of 333."""
    naive = [0.5 * window + OpenSchedule(Fraction(3), Fraction(1, 2)).due(j) for window in range(2) for j in range(2)]
    assert min(later - earlier for earlier, later in pairwise(naive)) == pytest.approx(1 / 6)
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 3, "settle": "500ms", "duration": "500ms"}])
    assert min(later - earlier for (earlier, _), (later, _) in pairwise(opened(plan))) == pytest.approx(1 / 3)


def test_a_ramp_that_starts_at_nothing():
    """0 to 100/s in 10 s are 500 arrivals, the first at once, the k-th at √(k/5): nothing is sent early, nothing at whole seconds."""
    schedule = OpenSchedule(Fraction(100), Fraction(10), rate_from=Fraction(0))
    assert schedule.count() == schedule.total() == 500
    assert [schedule.due(j) for j in (0, 5, 125, 320)] == [0.0, 1.0, 5.0, 8.0]
    assert schedule.due(2) == 0.4**0.5


def test_rates_that_make_no_schedule_are_refused():
    """Nothing a second is no open stage, and a negative rate no rate."""
    for rate, begin in ((Fraction(0), None), (Fraction(1), Fraction(-1))):
        with pytest.raises(ValueError, match="must be positive"):
            OpenSchedule(rate, Fraction(1), rate_from=begin)
