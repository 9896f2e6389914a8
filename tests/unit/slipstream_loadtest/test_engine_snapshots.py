"""What an engine says at any time: a part of what has ended, which adds up, never shrinks, and ends as the last word does. And aborts,
cancellations and kills in every kind of phase."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_loadtest.engine.engine import Engine
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import LIVE, Part, decode_part, encode_part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.live import Live
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.scripted_driver import LoopClock, ScriptedDriver, takes

pytestmark = pytest.mark.looptime

WHOLE = {
    "warmup": "1s",
    "stages": [
        {"name": "a", "users": 3, "duration": "2s", "ramp": "1s", "settle": "1s"},
        {"name": "b", "users": 6, "duration": "2s", "ramp": "1s"},
        {"name": "c", "ratePerSecond": 20, "duration": "2s", "ramp": "1s"},
    ],
    "scenarios": [
        {"name": "r", "steps": [{"name": "get", "http": {"path": "/"}}], "thinkTime": {"type": "Uniform", "min": "0s", "max": "300ms"}}
    ],
    "checks": {"memoryGrowth": {}},
}


def an_engine(plan: Plan, driver: ScriptedDriver, **more: Any) -> Engine:
    return Engine(plan, 0, LoopClock(), {"Direct": driver}, **more)


async def watched(plan: Plan, driver: ScriptedDriver, every: float = 0.37) -> tuple[list[Part], Part]:
    """All snapshots of a run, and its part."""
    engine, taken = an_engine(plan, driver), []
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    while not task.done():
        await asyncio.sleep(every)
        taken.append(engine.snapshot())
    return taken, await task


async def test_a_snapshot_at_any_time_adds_up():
    """Through every kind of phase: it survives the wire, says what it is, and its counts only grow, up to those of the part."""
    taken, part = await watched(a_plan(**WHOLE), ScriptedDriver(takes(0.25)))
    assert len(taken) > 30
    for one in taken:
        assert decode_part(encode_part(one)) == one
        assert one.aborted == LIVE
    offered = [one.offered for one in taken]
    assert offered == sorted(offered)
    assert taken[-1].phases == part.phases
    assert part.aborted == ""


async def test_calls_in_flight_are_in_no_snapshot():
    """3 users in a call of 10 s: after 5 s nothing has ended, so nothing is offered either; the part has all of it."""
    engine = an_engine(a_plan(stages=[{"name": "s", "users": 3, "duration": "8s"}], timeout_ms=60_000), ScriptedDriver(takes(10)))
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    await asyncio.sleep(5)
    early = engine.snapshot()
    assert (early.offered, early.phases[0].held_ms) == (0, 5000)
    assert (await task).offered == 3


async def test_a_snapshot_changes_nothing():
    """A run that is asked ten times a second counts what one does that is never asked."""

    def counts(part: Part) -> list[tuple[int, ...]]:
        every = [series for phase in part.phases for series in phase.series]
        return [(s.offered, s.completed, s.failed, s.dropped, s.censored, s.in_window, s.service.count) for s in every]

    plan = a_plan(**WHOLE)
    _, asked = await watched(plan, ScriptedDriver(takes(0.23)), every=0.1)
    engine = an_engine(plan, ScriptedDriver(takes(0.23)))
    await engine.prepare()
    alone = await engine.run(LoopClock().now())
    assert counts(asked) == counts(alone)


async def test_a_snapshot_has_the_generators_figures_of_the_phase_that_goes_on():
    """Its CPU, its wall time and its lag so far, and those of phases that are over as they ended; asking takes nothing from them."""
    plan = a_plan(warmup="1s", stages=[{"name": "s", "users": 3, "duration": "1s"}])
    engine = an_engine(plan, ScriptedDriver(takes(0.08)), cpu=lambda: LoopClock().now() / 2)
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    await asyncio.sleep(1.5)
    first, again = engine.snapshot(), engine.snapshot()
    part = await task
    over, going = (phase.generator for phase in first.phases)
    assert (over.wall_ms, over.cpu_ms) == pytest.approx((1000, 500), abs=5)
    assert (going.wall_ms, going.cpu_ms) == pytest.approx((500, 250), abs=5)
    assert going.loop_lag.count > 10
    assert replace(going, memory_bytes=0) == replace(again.phases[1].generator, memory_bytes=0)
    assert over == part.phases[0].generator
    assert part.phases[1].generator.wall_ms == pytest.approx(1000, abs=5)


async def test_what_is_settled_is_told_once():
    """Each snapshot from the first phase on that could still change; put together they are the whole."""
    plan, live = a_plan(**WHOLE), Live()
    engine = an_engine(plan, ScriptedDriver(takes(0.25)))
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    since, lengths = 0, []
    while not task.done():
        await asyncio.sleep(0.5)
        following, part = engine.unsettled, engine.snapshot(since)
        lengths.append(len(part.phases))
        live.hear(encode_part(part))
        live.hear(b"a line that was cut")
        since = following
    assert max(lengths) <= 5
    assert live.part is not None
    assert live.part.phases == (await task).phases


async def test_before_and_after_the_run_there_is_a_snapshot_too():
    """Empty before the start, the figures of the part after the end."""
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)))
    assert engine.snapshot().phases == ()
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    assert engine.snapshot().phases == part.phases
    assert engine.unsettled == len(part.phases)


@pytest.mark.parametrize("number", range(len(a_plan(**WHOLE).phases)), ids=[f"{p.kind} {p.stage}" for p in a_plan(**WHOLE).phases])
async def test_trap_t21_an_abort_in_any_phase_drains_and_leaves_a_part(number: int):
    """Warm-up, ramp, settle, hold, drain, idle: what was begun may end, everything is accounted for, nothing is sent any more."""
    plan = a_plan(**WHOLE)
    driver = ScriptedDriver(takes(0.08))
    engine = an_engine(plan, driver)
    await engine.prepare()
    phase, loop = plan.phases[number], asyncio.get_running_loop()
    loop.call_later((phase.start_ms + phase.duration_ms // 2) / 1000, engine.abort, "told so")
    part = await engine.run(loop.time())
    assert part.aborted == "told so"
    assert len(part.phases) == number + 1
    assert part.offered == len(driver.calls)
    assert driver.cancelled == 0  # 80 ms a call fit into the drain of 100 ms
    assert decode_part(encode_part(part)) == part
    sent = len(driver.calls)
    await asyncio.sleep(20)
    assert len(driver.calls) == sent


@pytest.mark.parametrize("number", range(len(a_plan(**WHOLE).phases)), ids=[f"{p.kind} {p.stage}" for p in a_plan(**WHOLE).phases])
async def test_a_cancellation_in_any_phase_keeps_all_that_was_measured(number: int):
    """As at an abort, but without a drain: calls in flight are cut off, and counted as such."""
    plan = a_plan(**WHOLE)
    driver = ScriptedDriver(takes(0.25))
    engine = an_engine(plan, driver)
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    phase = plan.phases[number]
    await asyncio.sleep((phase.start_ms + phase.duration_ms // 2) / 1000)
    before = engine.snapshot()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    part = engine.part()
    assert part.offered == len(driver.calls)
    assert part.offered - before.offered == sum(series.censored - s.censored for series, s in _both(part, before))
    await asyncio.sleep(20)
    assert part.offered == len(driver.calls)


def _both(part: Part, before: Part) -> list[tuple[Any, Any]]:
    return [pair for now, then in zip(part.phases, before.phases, strict=True) for pair in zip(now.series, then.series, strict=True)]


async def test_trap_t07_calls_of_a_phase_without_a_drain_are_censored_where_they_were_meant_to_start():
    """1 s of ramp, 1 s held, calls of 5 s, 100 ms of drain: the users that joined in the ramp are cut off in the ramp's own series."""
    plan = a_plan(stages=[{"name": "s", "users": 4, "duration": "1s", "ramp": "1s"}], timeout_ms=60_000)
    engine = an_engine(plan, ScriptedDriver(takes(5)))
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    assert [sum(s.censored for s in phase.series) for phase in part.phases] == [3, 1, 0]
    assert part.phases[0].series[0].censored_after.max == pytest.approx(1.85e9, rel=0.01)


async def test_trap_t02_a_stall_during_a_ramp_shows_in_the_corrected_latency():
    """0 to 100/s in 4 s over one connection, a stall from 3 s to 4 s: everything that was due in it has its wait in its latency."""
    plan = a_plan(
        stages=[{"name": "s", "ratePerSecond": 100, "duration": "4s", "ramp": "4s"}],
        connections={"sharing": "Shared", "max": 1},
        drain_ms=1000,
        timeout_ms=60_000,
    )
    start = LoopClock().now()
    engine = an_engine(plan, ScriptedDriver(lambda c: (4.0 - (c.at - start) if 3.0 <= c.at - start < 4.0 else 0.001, "")))
    await engine.prepare()
    ramp = merge(plan, [await engine.run(start)]).windows[0].steps[0]
    assert ramp.latency is not None
    waited, served = Histogram.decode(ramp.latency), Histogram.decode(ramp.service)
    assert ramp.completed == 200
    assert waited.quantile(0.9) > 0.7e9
    assert served.quantile(0.99) < 0.01e9


async def test_trap_t03_a_closed_ramp_has_no_corrected_latency():
    """Neither in the ramp nor while it holds: there is no intended start but the actual one."""
    engine = an_engine(a_plan(stages=[{"name": "s", "users": 4, "duration": "1s", "ramp": "1s"}]), ScriptedDriver(takes(0.1)))
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    assert [series.latency for phase in part.phases for series in phase.series] == [None, None]


async def test_trap_t04_drops_of_a_ramp_are_offered_and_counted_there():
    """Room for 2 and 1 s a call: of 50 arrivals in the ramp and 100 after it each has exactly one end."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 50, "maxInFlight": 2, "duration": "2s", "ramp": "2s"}], timeout_ms=60_000)
    engine = an_engine(plan, ScriptedDriver(takes(1.0)))
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    ramp, hold = (phase.series[0] for phase in part.phases[:2])
    assert (ramp.offered, hold.offered) == (50, 100)
    assert ramp.dropped >= 44
    assert hold.dropped >= 94
    for series in (ramp, hold):
        assert series.offered == series.completed + series.failed + series.dropped + series.censored


async def test_a_cancelled_preparation_lets_go_of_what_it_opened():
    """The third connection never comes: cancelled, all channels are closed, and there is a part, an empty one."""

    class Hanging(ScriptedDriver):
        def channel(self, user: int, session: str, listener: Any) -> Any:
            made = super().channel(user, session, listener)
            if user == 2:
                made.open = asyncio.Event().wait
            return made

    driver = Hanging(takes(0.1))
    engine = an_engine(a_plan(stages=[{"name": "s", "users": 4, "duration": "1s"}]), driver)
    task = asyncio.create_task(engine.prepare())
    await asyncio.sleep(1)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.closed == 4
    assert engine.part().phases == ()


async def test_a_cancellation_during_the_drain_of_an_abort_still_counts_everything():
    """Told to end, and killed while it waits for the last calls."""
    plan = a_plan(stages=[{"name": "s", "users": 4, "duration": "9s"}], drain_ms=5000, timeout_ms=60_000)
    driver = ScriptedDriver(takes(3))
    engine = an_engine(plan, driver)
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    await asyncio.sleep(4)
    engine.abort("told so")
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (series,) = engine.part().phases[0].series
    assert (series.offered, series.completed, series.censored) == (8, 4, 4)
    assert engine.part().aborted == "told so"
