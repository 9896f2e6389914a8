"""The engine on virtual time: closed and open model, what is counted where, and what coordinated omission would hide."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.judged.metrics import measure
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part, SeriesPart
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import STEP, a_plan
from tests.fakes.scripted_driver import Call, LoopClock, ScriptedDriver, takes

pytestmark = pytest.mark.looptime


def closed(users: int = 1, duration: str = "1s", **members: Any) -> Plan:
    return a_plan(stages=[{"name": "s", "users": users, "duration": duration}], **members)


def arrivals(rate: int, duration: str = "1s", in_flight: int = 100, **members: Any) -> Plan:
    return a_plan(stages=[{"name": "s", "ratePerSecond": rate, "maxInFlight": in_flight, "duration": duration}], **members)


async def ran(plan: Plan, driver: ScriptedDriver, index: int = 0) -> Part:
    return await run(plan, index, LoopClock(), {target.name: driver for target in plan.targets})


def held(part: Part, at: int = 0) -> SeriesPart:
    """The series of the at-th phase."""
    return part.phases[at].series[0]


async def test_a_closed_user_asks_again_when_it_has_its_answer():
    """One user, 100 ms an answer, 1 s: ten calls, one after the other."""
    driver = ScriptedDriver(takes(0.1))
    series = held(await ran(closed(), driver))
    assert (series.offered, series.completed) == (10, 10)
    assert Histogram.decode(series.service).quantile(0.5) == pytest.approx(1e8, rel=0.01)


async def test_closed_users_are_as_many_as_planned():
    """5 users, each with its own number."""
    driver = ScriptedDriver(takes(0.1))
    await ran(closed(5), driver)
    assert Counter(call.user for call in driver.calls) == dict.fromkeys(range(5), 10)


async def test_trap_T03_a_closed_stage_has_no_corrected_latency():
    """There is no intended start in it, and none is made up."""
    assert held(await ran(closed(), ScriptedDriver(takes(0.1)))).latency is None


async def test_arrivals_come_at_their_rate_whatever_the_target_does():
    """100/s for 1 s are 100 calls, though each takes 400 ms."""
    driver = ScriptedDriver(takes(0.4))
    series = held(await ran(arrivals(100), driver))
    assert (series.offered, series.dropped) == (100, 0)
    gaps = [b.at - a.at for a, b in zip(driver.calls, driver.calls[1:], strict=False)]
    assert max(gaps) == pytest.approx(0.01, abs=0.002)


def one_connection(plan: Plan) -> Plan:
    """The open stage over a single connection: arrivals wait for it."""
    (stage,) = plan.stages
    return msgspec.structs.replace(plan, stages=(msgspec.structs.replace(stage, connections=1),))


def stalling(call: Call) -> tuple[float, str]:
    """1 ms an answer, but the target stands still from 4.0 s to 5.0 s."""
    return (5.0 - call.at if 4.0 <= call.at < 5.0 else 0.001), ""


async def test_trap_T02_a_stall_shows_in_the_corrected_latency_alone():
    """One connection, 100/s for 10 s, a stall of 1 s: 100 calls were meant to start during it. Of 1000, the 95th percentile waited
    about half a second and the 99th about 0.9 s; the service time of all but one is 1 ms, which is what coordinated omission shows."""
    plan = one_connection(arrivals(100, "10s", in_flight=1000, drain_ms=1000))
    part = await ran(plan, ScriptedDriver(stalling))
    window = merge(plan, [part]).windows[0]
    assert window.steps[0].offered == window.steps[0].completed == 1000
    assert measure("latency.p95", [window]).value == pytest.approx(500, abs=60)
    assert measure("latency.p99", [window]).value == pytest.approx(900, abs=60)
    assert measure("serviceTime.p99", [window]).value == pytest.approx(1, rel=0.05)
    assert measure("serviceTime.max", [window]).value == pytest.approx(1000, rel=0.02)


async def test_trap_T02_the_closed_model_omits_the_stall():
    """The same target asked by one user in turn: one slow answer in thousands, so that nobody would notice it at the 99th percentile."""
    plan = closed(1, "6s")
    window = merge(plan, [await ran(plan, ScriptedDriver(stalling))]).windows[0]
    assert measure("latency.p99", [window]).value == pytest.approx(1, rel=0.05)
    assert measure("latency.max", [window]).value == pytest.approx(1000, rel=0.02)


async def test_trap_T19_waiting_for_a_connection_is_part_of_the_latency():
    """A pool of one and 100 calls at once: the last one's latency shows the wait, its service time doesn't."""
    plan = one_connection(arrivals(1000, "100ms", in_flight=1000, drain_ms=2000))
    window = merge(plan, [await ran(plan, ScriptedDriver(takes(0.01)))]).windows[0]
    assert measure("latency.max", [window]).value == pytest.approx(900, abs=20)
    assert measure("serviceTime.max", [window]).value == pytest.approx(10, rel=0.05)


async def test_trap_T04_arrivals_beyond_the_bound_are_dropped_and_counted():
    """100/s of 1 s each with room for 10: ten in flight, the others dropped, all of them offered."""
    series = held(await ran(arrivals(100, "1s", in_flight=10, drain_ms=2000, timeout_ms=9000), ScriptedDriver(takes(1.0))))
    assert series.offered == 100
    assert series.completed == 10
    assert series.dropped == 90


async def test_trap_T07_calls_that_outlast_the_drain_are_censored_not_forgotten():
    """5 s an answer, a stage of 1 s, 100 ms of drain: nothing completed, but every call has its elapsed time."""
    plan = closed(3, drain_ms=100, timeout_ms=10_000)
    driver = ScriptedDriver(takes(5.0))
    series = held(await ran(plan, driver))
    assert (series.offered, series.completed, series.censored) == (3, 0, 3)
    assert series.censored_after.min == pytest.approx(1.1e9, rel=0.05)
    assert driver.cancelled == 3


async def test_trap_T07_a_short_stage_has_no_better_p99_than_a_long_one():
    """Every tenth call takes 3 s: in a stage of 1 s they are cut off, and the p99 says that it is a lower bound."""

    def script(call: Call) -> tuple[float, str]:
        return (3.0 if call.iteration % 10 == 0 else 0.01), ""

    short, long = arrivals(100, "1s", drain_ms=500, timeout_ms=10_000), arrivals(100, "20s", drain_ms=5000, timeout_ms=10_000)
    found = [measure("latency.p99", list(merge(p, [await ran(p, ScriptedDriver(script))]).windows[:1])) for p in (short, long)]
    assert found[0].lower_bound
    assert not found[1].lower_bound
    assert found[1].value == pytest.approx(3000, rel=0.01)


async def test_a_call_that_ends_in_the_drain_belongs_to_its_stage():
    """Completed, with its latency, but not within the window."""
    series = held(await ran(closed(1, "1s", drain_ms=500), ScriptedDriver(takes(0.3))))
    assert (series.offered, series.completed, series.in_window) == (4, 4, 3)


async def test_calls_that_take_too_long_are_timeouts():
    """The timeout is the plan's; the user goes on afterwards."""
    plan = closed(1, "1s", timeout_ms=200, drain_ms=300)
    driver = ScriptedDriver(takes(60.0))
    series = held(await ran(plan, driver))
    assert set(series.errors) == {"Timeout"}
    assert 4 <= series.failed <= 5
    assert series.error_after.max == pytest.approx(0.2e9, rel=0.1)


async def test_failures_are_counted_by_kind():
    """Alternating: half of them."""
    driver = ScriptedDriver(lambda call: (0.1, "Status503" if call.iteration % 2 else ""))
    series = held(await ran(closed(), driver))
    assert (series.completed, series.errors) == (5, {"Status503": 5})


async def test_trap_T16_a_call_belongs_to_the_phase_it_was_meant_to_start_in():
    """Warm-up of 1 s, 150 ms an answer: the call in flight at the change counts as warm-up, the stage starts when it ends."""
    driver = ScriptedDriver(takes(0.15))
    part = await ran(closed(1, "1s", warmup="1s"), driver)
    warm, hold = held(part, 0), held(part, 1)
    assert warm.offered == warm.completed == 7
    assert hold.offered == hold.completed == len(driver.calls) - 7


async def test_steps_follow_each_other_and_a_failed_one_ends_the_iteration():
    """a, b, a, b …; where a fails, there is no b."""
    steps = [STEP, STEP | {"name": "second"}]
    plan = closed(1, "1s", scenarios=[{"name": "two", "steps": steps}])
    driver = ScriptedDriver(lambda call: (0.1, "Reset" if call.step == 0 and call.iteration == 2 else ""))
    part = await ran(plan, driver)
    assert [call.step for call in driver.calls] == [0, 1, 0, 0, 1, 0, 1, 0, 1, 0]
    assert [s.offered for s in part.phases[0].series] == [6, 4]


async def test_scenarios_are_chosen_by_weight():
    """3 : 1 over 2000 iterations."""
    plan = closed(10, "20s", scenarios=[{"name": "a", "weight": 3, "steps": [STEP]}, {"name": "b", "steps": [STEP]}])
    part = await ran(plan, ScriptedDriver(takes(0.1)))
    a, b = (series.offered for series in part.phases[0].series)
    assert a / (a + b) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("model", ["closed", "open"])
async def test_runners_together_do_what_one_does(model: str):
    """Three runners: the same users or arrivals with the same draws as the one-runner plan."""

    def plan_for(count: int) -> Plan:
        members = {"runners": {"count": count}}
        return closed(7, "1s", **members) if model == "closed" else arrivals(70, "1s", **members)

    async def calls(count: int) -> list[tuple[int, int]]:
        found = []
        for index in range(count):
            driver = ScriptedDriver(takes(0.1))
            await ran(plan_for(count), driver, index)
            found += [(call.iteration, call.drawn) for call in driver.calls]
        return sorted(found)

    assert await calls(3) == await calls(1)


async def test_an_iteration_has_its_number_once_on_a_target():
    """Open stages go on counting: what ${iteration} makes unique stays unique."""
    stage = {"ratePerSecond": 50, "duration": "1s"}
    plan = a_plan(stages=[{"name": "a"} | stage, {"name": "b"} | stage], warmup="1s")
    driver = ScriptedDriver(takes(0.01))
    await ran(plan, driver)
    assert sorted(call.iteration for call in driver.calls) == list(range(150))


async def test_connections_are_opened_before_anything_is_measured():
    """Every closed user's; of an open stage as many as calls of a tenth of a second need."""
    driver = ScriptedDriver(takes(0.01))
    series = held(await ran(closed(4), driver))
    assert sorted(driver.opened) == [0, 1, 2, 3]
    assert (series.opened, series.reused) == (0, series.offered)
    opening = ScriptedDriver(takes(0.01))
    await ran(arrivals(50), opening)
    assert len(opening.opened) == 5


async def test_an_open_stage_opens_more_connections_when_calls_take_longer():
    """50/s of 400 ms each need 20; the 15 beyond those opened ahead are counted as opened in the stage."""
    series = held(await ran(arrivals(50, drain_ms=500), ScriptedDriver(takes(0.4))))
    assert (series.completed, series.dropped) == (50, 0)
    assert series.opened == pytest.approx(15, abs=1)


async def test_a_stage_begins_with_idle_users():
    """What outlasts the drain of one stage is cut off there; it neither blocks the next one nor counts in it."""
    stage = {"users": 2, "duration": "1s"}
    plan = a_plan(stages=[{"name": "a"} | stage, {"name": "b"} | stage], drain_ms=100, timeout_ms=10_000)
    part = await ran(plan, ScriptedDriver(takes(5.0)))
    first, second = held(part, 0), held(part, 2)
    assert (first.offered, first.censored, second.offered, second.censored) == (2, 2, 2, 2)
    assert first.censored_after.max == pytest.approx(1.1e9, rel=0.05)
