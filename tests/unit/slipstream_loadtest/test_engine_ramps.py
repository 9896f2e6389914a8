"""Ramps on virtual time: users join and leave one by one and between iterations, arrivals speed up without a gap, and each call is counted
in the phase that it was meant to start in."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from slipstream_loadtest.engine.engine import Engine, run
from slipstream_loadtest.judged.metrics import measure
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.schedule import OpenSchedule
from tests.fakes.loadtest_plans import STEP, a_plan
from tests.fakes.scripted_driver import Call, LoopClock, ScriptedDriver, takes

pytestmark = pytest.mark.looptime


def closed(name: str, users: int, **members: Any) -> dict[str, Any]:
    return {"name": name, "users": users, "duration": "5s"} | members


def opened(name: str, rate: int, **members: Any) -> dict[str, Any]:
    return {"name": name, "ratePerSecond": rate, "duration": "5s"} | members


async def ran(plan: Plan, driver: ScriptedDriver, index: int = 0) -> tuple[Part, float]:
    """The part, and when the run began on the loop's clock."""
    began = LoopClock().now()
    return await run(plan, index, LoopClock(), {target.name: driver for target in plan.targets}), began


def offered(part: Part) -> list[int]:
    return [sum(series.offered for series in phase.series) for phase in part.phases]


async def test_users_join_along_the_line():
    """0 to 10 users in 5 s: user k joins at (k + 1) / 2 s."""
    driver = ScriptedDriver(takes(0.1))
    _, began = await ran(a_plan(stages=[closed("s", 10, ramp="5s")]), driver)
    first: dict[int, float] = {}
    for call in driver.calls:
        first.setdefault(call.user, call.at - began)
    assert first == {user: pytest.approx((user + 1) / 2, abs=0.005) for user in range(10)}


async def test_users_leave_along_the_line_and_end_what_they_began():
    """10 to 2 users in 4 s, 300 ms a call: the last call of user 9 starts before the line has left it, and none is cut off."""
    plan = a_plan(stages=[closed("up", 10), closed("down", 2, ramp="4s")])
    driver = ScriptedDriver(takes(0.3))
    part, began = await ran(plan, driver)
    last = {call.user: call.at - began - 5 for call in driver.calls}
    for user in range(2, 10):
        leaves = (9 - user) / 2
        assert leaves - 0.31 <= last[user] <= leaves + 0.005
    assert driver.cancelled == 0
    assert sum(series.censored for phase in part.phases for series in phase.series) == 0
    assert {call.user for call in driver.calls if call.at - began > 9.3} == {0, 1}


async def test_a_user_that_leaves_ends_its_iteration():
    """Two steps of 400 ms: whoever has done the first does the second as well."""
    steps = [STEP, STEP | {"name": "second"}]
    plan = a_plan(stages=[closed("up", 10), closed("down", 1, ramp="2s")], scenarios=[{"name": "two", "steps": steps}])
    driver = ScriptedDriver(takes(0.4))
    await ran(plan, driver)
    per_user = Counter((call.user, call.step) for call in driver.calls if call.user > 0)
    assert all(per_user[user, 0] == per_user[user, 1] for user in range(1, 10))


async def test_users_stay_where_one_stage_goes_on_from_another():
    """Nobody stops at the edge: with 100 ms a call no user pauses for longer between the stages."""
    driver = ScriptedDriver(takes(0.1))
    await ran(a_plan(stages=[closed("a", 4), closed("b", 8, ramp="2s", settle="1s")]), driver)
    for user in range(4):
        assert max(b.at - a.at for a, b in pairwise(driver.sessions_of(user))) == pytest.approx(0.1, abs=0.005)


async def test_trap_t17_runners_together_ramp_like_one():
    """Three runners: at any time the calls of all of them are those of the one-runner plan, users and arrivals, up and down."""
    stages = [closed("a", 7, ramp="3s"), closed("b", 2, ramp="2s"), opened("c", 40, ramp="3s"), opened("d", 10, ramp="2s")]

    async def moments(count: int) -> list[tuple[float, int, int]]:
        found = []
        for index in range(count):
            driver = ScriptedDriver(takes(0.1))
            plan = a_plan(stages=stages, runners={"count": count}, drain_ms=1000)
            _, began = await ran(plan, driver, index)
            closed_until = next(phase.start_ms for phase in plan.phases if phase.stage == "c") / 1000 + began
            found += [(round(c.at - began, 1), c.iteration, c.user if c.at < closed_until else -1) for c in driver.calls]
        return sorted(found)

    one, three = await moments(1), await moments(3)
    assert [call[1:] for call in sorted(three, key=lambda c: c[1:])] == [call[1:] for call in sorted(one, key=lambda c: c[1:])]
    assert all(abs(a[0] - b[0]) <= 0.11 for a, b in zip(one, three, strict=True))


async def test_arrivals_of_a_ramp_come_when_they_are_due():
    """0 to 50/s in 4 s, then on at 50/s: the moments are the schedule's, each a timer's grain late at most, and the gaps shrink."""
    plan = a_plan(stages=[opened("s", 50, ramp="4s")])
    driver = ScriptedDriver(takes(0.01))
    part, began = await ran(plan, driver)
    assert offered(part) == [100, 250, 0]
    schedule = OpenSchedule(Fraction(50), Fraction(4), rate_from=Fraction(0))
    late = [call.at - began - schedule.due(at) for at, call in enumerate(driver.calls[:100])]
    assert min(late) >= -1e-6
    assert max(late) <= 0.0021
    assert [call.iteration for call in driver.calls] == list(range(350))


async def test_trap_t16_calls_are_counted_where_they_were_meant_to_start():
    """Ramp, settle and hold without a pause: a slow call of one phase ends in the next and is counted in its own."""
    plan = a_plan(stages=[opened("s", 10, ramp="2s", settle="1s", drain="2s")], timeout_ms=9000)
    part, _ = await ran(plan, ScriptedDriver(takes(1.5)))
    assert offered(part) == [10, 10, 50, 0]
    assert [sum(s.completed for s in phase.series) for phase in part.phases] == [10, 10, 50, 0]
    assert [phase.series[0].in_window for phase in part.phases[:3]] == [1, 0, 36]


async def test_trap_t16_a_ramp_never_takes_part_in_a_verdict():
    """100 ms a call while the load rises, 10 ms once it holds: the p95 of the stage is 10 ms."""

    def script(call: Call) -> tuple[float, str]:
        return (0.1 if call.at < LoopClock().now() + 1 and call.at - start < 3 else 0.01), ""

    plan = a_plan(stages=[closed("s", 10, ramp="2s", settle="1s")])
    start = LoopClock().now()
    part, _ = await ran(plan, ScriptedDriver(script))
    judged = [window for window in merge(plan, [part]).windows if window.judged]
    assert measure("latency.p95", judged).value == pytest.approx(10, rel=0.05)
    assert measure("latency.p95", list(merge(plan, [part]).windows[:1])).value == pytest.approx(100, rel=0.05)


async def test_fewer_connections_in_the_next_stage_lose_no_arrival():
    """400 ms a call, 20 in flight; the stage after may have 3 of them: those in use end, and no more than 3 begin at a time."""
    stages = [opened("a", 50, maxInFlight=20), opened("b", 5, maxInFlight=3, ramp="100ms")]
    plan = a_plan(stages=stages, drain_ms=1000)
    driver = ScriptedDriver(takes(0.4))
    part, began = await ran(plan, driver)
    for phase in part.phases:
        for series in phase.series:
            assert series.unaccounted() == 0
            assert series.censored == 0
    late = [call for call in driver.calls if call.at - began > 5.6]
    assert {call.user for call in late} <= {0, 1, 2}
    assert len(late) > 10


async def test_nothing_runs_while_memory_has_its_floor():
    """Idle windows are empty, and the load is as it was."""
    plan = a_plan(stages=[closed("a", 3), closed("b", 3)], warmup="1s", checks={"memoryGrowth": {}})
    driver = ScriptedDriver(takes(0.05))
    part, began = await ran(plan, driver)
    for phase, figures in zip(plan.phases, part.phases, strict=True):
        if phase.kind in ("Drain", "Idle"):
            assert figures.series == ()
            assert figures.held_ms == phase.duration_ms
            assert not [c for c in driver.calls if phase.start_ms + 1 < (c.at - began) * 1000 < phase.end_ms - 1]
    assert [n for n in offered(part) if n] == [60, 300, 300]


async def test_a_late_runner_catches_up_with_its_ramp():
    """Begun 1 s late, the users that should be there by then are."""
    plan = a_plan(stages=[closed("s", 10, ramp="2s")])
    driver = ScriptedDriver(takes(0.5))
    engine = Engine(plan, 0, LoopClock(), {"Direct": driver})
    await engine.prepare()
    began = LoopClock().now()
    part = await engine.run(began - 1)
    assert part.start_skew_ms == 1000
    assert {call.user for call in driver.calls if call.at - began < 0.02} == {0, 1, 2, 3, 4}
