"""Think time: drawn purely, waited between iterations, never part of a call, and cheap for thousands of users."""

import asyncio
from math import log
from statistics import fmean
from typing import Any

import pytest

from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.judged.metrics import measure
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.plan.draws import stream
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.scenarios import ThinkTime
from slipstream_loadtest.plan.think import thinker, unit
from tests.fakes.loadtest_plans import STEP, a_plan
from tests.fakes.scripted_driver import LoopClock, ScriptedDriver, takes

STREAM = stream(7, 1, 3)
MANY = range(20_000)


def thinking(think: dict[str, str], *, users: int = 1, duration: str = "10s", **members: Any) -> Plan:
    scenario = {"name": "read", "steps": [STEP], "thinkTime": think}
    return a_plan(**({"stages": [{"name": "s", "users": users, "duration": duration}], "scenarios": [scenario]} | members))


async def ran(plan: Plan, driver: ScriptedDriver, index: int = 0) -> Part:
    return await run(plan, index, LoopClock(), {"Direct": driver})


def test_a_constant_wait_is_constant():
    """Its mean, every time."""
    think = thinker(ThinkTime(type="Constant", mean_ms=250))
    assert {think(STREAM, n) for n in MANY} == {0.25}


def test_an_even_wait_lies_evenly_between_its_ends():
    """1 to 3 s: all tenths of it about as often."""
    think = thinker(ThinkTime(type="Uniform", min_ms=1000, max_ms=3000))
    waits = [think(STREAM, n) for n in MANY]
    assert 1 <= min(waits) < 1.001
    assert 2.999 < max(waits) <= 3
    tenths = [sum(1 + at / 5 <= wait < 1.2 + at / 5 for wait in waits) for at in range(10)]
    assert all(1800 < n < 2200 for n in tenths)


def test_an_exponential_wait_has_its_mean_and_its_cut():
    """Memoryless: half of the waits are shorter than mean · ln 2; the longest is the cut."""
    whole = thinker(ThinkTime(type="Exponential", mean_ms=1000, max_ms=1_000_000))
    waits = sorted(whole(STREAM, n) for n in MANY)
    assert fmean(waits) == pytest.approx(1, rel=0.03)
    assert waits[len(waits) // 2] == pytest.approx(log(2), rel=0.03)
    cut = thinker(ThinkTime(type="Exponential", mean_ms=1000, max_ms=2000))
    assert max(cut(STREAM, n) for n in MANY) == 2
    assert sum(cut(STREAM, n) == 2 for n in MANY) / len(MANY) == pytest.approx(0.135, abs=0.01)


def test_draws_of_waits_are_apart_from_those_of_rows_and_scenarios():
    """Another user, iteration or seed waits otherwise; the same always the same."""
    assert unit(STREAM, 5) == unit(stream(7, 1, 3), 5)
    assert len({unit(STREAM, 5), unit(STREAM, 6), unit(stream(7, 1, 4), 5), unit(stream(8, 1, 3), 5)}) == 4


def test_without_a_cut_ten_times_the_mean_is_the_longest():
    """What the field's description says."""
    plan = thinking({"type": "Exponential", "mean": "200ms"})
    assert plan.scenarios[0].think_time == ThinkTime(type="Exponential", mean_ms=200, max_ms=2000)


@pytest.mark.looptime
async def test_users_wait_between_iterations_and_no_wait_is_latency():
    """100 ms a call and 400 ms of thought: two iterations a second, and the latency is 100 ms."""
    plan = thinking({"type": "Constant", "mean": "400ms"})
    driver = ScriptedDriver(takes(0.1))
    window = merge(plan, [await ran(plan, driver)]).windows[0]
    assert len(driver.calls) == pytest.approx(20, abs=1)
    assert measure("latency.max", [window]).value == pytest.approx(100, rel=0.03)
    assert measure("serviceTime.max", [window]).value == pytest.approx(100, rel=0.03)


@pytest.mark.looptime
async def test_steps_of_one_iteration_follow_at_once_and_a_failed_one_is_thought_about_too():
    """Waits come after iterations, however these end."""
    steps = [STEP, STEP | {"name": "second"}]
    plan = thinking({}, scenarios=[{"name": "two", "steps": steps, "thinkTime": {"type": "Constant", "mean": "1s"}}])
    driver = ScriptedDriver(lambda call: (0.1, "Reset" if call.iteration == 2 else ""))
    await ran(plan, driver)
    gaps = [round(b.at - a.at, 1) for a, b in zip(driver.calls, driver.calls[1:], strict=False)]
    assert gaps[:5] == [0.1, 1.1, 1.1, 0.1, 1.1]


@pytest.mark.looptime
async def test_a_scenario_without_think_time_does_not_wait():
    """Each scenario has its own."""
    scenarios = [
        {"name": "slow", "steps": [STEP], "thinkTime": {"type": "Constant", "mean": "1s"}},
        {"name": "quick", "steps": [STEP]},
    ]
    driver = ScriptedDriver(takes(0.1))
    await ran(thinking({}, scenarios=scenarios), driver)
    gaps = {(a.scenario, round(b.at - a.at, 1)) for a, b in zip(driver.calls, driver.calls[1:], strict=False)}
    assert gaps == {(0, 1.1), (1, 0.1)}


@pytest.mark.looptime
async def test_trap_t17_runners_together_think_like_one():
    """A wait belongs to a user and an iteration, whoever runs them."""

    async def calls(count: int) -> list[tuple[int, int, float]]:
        found = []
        for index in range(count):
            driver, began = ScriptedDriver(takes(0.1)), LoopClock().now()
            await ran(thinking({"type": "Exponential", "mean": "1s"}, users=7, runners={"count": count}), driver, index)
            found += [(call.user, call.iteration, round(call.at - began, 1)) for call in driver.calls]
        return sorted(found)

    one, three = await calls(1), await calls(3)
    assert [call[:2] for call in three] == [call[:2] for call in one]
    assert all(abs(a[2] - b[2]) <= 0.11 for a, b in zip(one, three, strict=True))


@pytest.mark.looptime
async def test_thousands_of_users_wait_on_one_timer():
    """5,000 users with 5 s of thought: while nearly all of them wait, the loop has a handful of timers besides those of calls."""
    plan = thinking({"type": "Uniform", "min": "4s", "max": "6s"}, users=5000, duration="12s")
    driver = ScriptedDriver(takes(0.001))
    loop = asyncio.get_running_loop()
    counted: list[int] = []

    def look() -> None:
        counted.append(sum(not handle.cancelled() for handle in loop._scheduled))  # asyncio's own heap, read only
        loop.call_later(0.5, look)

    loop.call_later(1.0, look)
    part = await ran(plan, driver)
    assert part.phases[0].series[0].completed == pytest.approx(15_000, rel=0.02)
    assert max(counted) < 50


@pytest.mark.looptime
async def test_nobody_is_woken_after_the_stage():
    """Users that think when the stage ends neither start in the drain nor in the next stage before their time: they begin anew there."""
    stage = {"users": 2, "duration": "1s", "drain": "2s"}
    plan = thinking({"type": "Constant", "mean": "1500ms"}, stages=[{"name": "a"} | stage, {"name": "b"} | stage])
    driver = ScriptedDriver(takes(0.1))
    began = LoopClock().now()
    await ran(plan, driver)
    assert [round(call.at - began, 2) for call in driver.calls] == [0.0, 0.0, 3.0, 3.0]


@pytest.mark.looptime
async def test_users_go_on_thinking_where_a_stage_goes_on():
    """A ramp without a drain: a user's wait isn't cut short by the edge."""
    stages = [{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 2, "duration": "4s", "ramp": "1s"}]
    driver = ScriptedDriver(takes(0.1))
    began = LoopClock().now()
    await ran(thinking({"type": "Constant", "mean": "1500ms"}, stages=stages), driver)
    assert [round(call.at - began, 1) for call in driver.sessions_of(0)] == [0.0, 1.6, 3.2, 4.8]
    assert round(driver.sessions_of(1)[0].at - began, 1) == 2.0
