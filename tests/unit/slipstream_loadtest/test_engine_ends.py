"""The engine's ends on virtual time: windows, abort at any moment, cancellation, progress, its own health."""

import asyncio

import pytest
from msgspec.structs import replace

from slipstream_loadtest.engine.engine import Engine
from slipstream_loadtest.engine.progress import Progress, combine, known
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part, decode_part, encode_part
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_plan, comparison_plan
from tests.fakes.loadtest_slices import times
from tests.fakes.scripted_driver import LoopClock, ScriptedDriver, takes

pytestmark = pytest.mark.looptime


def an_engine(plan: Plan, driver: ScriptedDriver, **more: object) -> Engine:
    return Engine(plan, 0, LoopClock(), {target.name: driver for target in plan.targets}, **more)


async def aborted_after(seconds: float, plan: Plan, driver: ScriptedDriver) -> Part:
    engine = an_engine(plan, driver)
    await engine.prepare()
    asyncio.get_running_loop().call_later(seconds, engine.abort, "told so")
    return await engine.run(LoopClock().now())


async def test_windows_have_their_planned_length():
    """Fixed windows, in their order, all of them in the part."""
    plan = comparison_plan(2, warmup="1s")
    engine = an_engine(plan, ScriptedDriver(takes(0.1)))
    await engine.prepare()
    began = LoopClock().now()
    part = await engine.run(began)
    assert [phase.held_ms for phase in part.phases] == [phase.duration_ms for phase in plan.phases]
    assert LoopClock().now() - began == pytest.approx(plan.duration_ms / 1000, abs=0.01)


async def test_the_start_is_waited_for():
    """A common start in the future: nothing is sent before."""
    driver = ScriptedDriver(takes(0.1))
    engine = an_engine(a_plan(), driver)
    await engine.prepare()
    start = LoopClock().now() + 5
    part = await engine.run(start)
    assert min(call.at for call in driver.calls) == pytest.approx(start, abs=0.01)
    assert part.start_skew_ms == 0


async def test_trap_T16_a_late_start_is_in_the_part():
    """The common start lies 300 ms back: the skew is recorded, and the window that is left is shorter."""
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)))
    await engine.prepare()
    part = await engine.run(LoopClock().now() - 0.3)
    assert part.start_skew_ms == 300


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.5, 11.5, 12.15], ids=["at once", "warm-up", "stage", "second stage", "drain"])
async def test_trap_T21_an_abort_at_any_moment_leaves_a_part(seconds: float):
    """The part says that it is one of an aborted run, adds up, and is never judged as a whole one."""
    plan = a_plan(warmup="2s", stages=[{"name": "a", "users": 3, "duration": "9s"}, {"name": "b", "ratePerSecond": 10, "duration": "1s"}])
    driver = ScriptedDriver(takes(0.3))
    part = await aborted_after(seconds, plan, driver)
    assert part.aborted == "told so"
    assert decode_part(encode_part(part)) == part
    verdict = judge(plan, merge(plan, [part]))
    assert (verdict.result, verdict.reasons[0].code) == ("Inconclusive", "Aborted")
    assert len(driver.calls) == part.offered


async def test_an_abort_drains_before_it_ends():
    """Calls in flight may end within the drain; what takes longer is censored with its elapsed time."""
    part = await aborted_after(0.95, a_plan(drain_ms=100, timeout_ms=9000), ScriptedDriver(lambda c: (0.1 if c.user == 0 else 5.0, "")))
    (series,) = part.phases[0].series
    assert (series.completed, series.censored, series.failed) == (10, 1, 0)
    assert part.phases[0].held_ms == pytest.approx(950, abs=10)


async def test_the_rate_of_an_aborted_stage_is_over_the_time_it_had():
    """2 users, 100 ms: 20/s, also when the 10 s end after one."""
    plan = a_plan()
    result = merge(plan, [await aborted_after(1.0, plan, ScriptedDriver(takes(0.1)))])
    assert result.windows[0].throughput == pytest.approx(20, rel=0.1)


async def test_the_first_reason_of_an_abort_stays():
    """Told twice: the reason is why it really ended."""
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)))
    await engine.prepare()
    engine.abort("first")
    engine.abort("second")
    assert (await engine.run(LoopClock().now())).aborted == "first"


async def test_a_cancelled_run_lets_go_of_everything_and_still_has_a_part():
    """Cancellation is a normal path: connections closed, timers gone, figures kept."""
    driver = ScriptedDriver(takes(0.1))
    engine = an_engine(a_plan(), driver)
    await engine.prepare()
    task = asyncio.create_task(engine.run(LoopClock().now()))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sent = len(driver.calls)
    await asyncio.sleep(5)
    assert len(driver.calls) == sent
    assert driver.closed == 2
    assert engine.part().phases[0].series[0].completed >= 18


async def test_progress_is_told_each_second():
    """Offered, completed and rate of the last second; in flight is what is running."""
    told: list[Progress] = []
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)), on_progress=told.append)
    await engine.prepare()
    await engine.run(LoopClock().now())
    assert len(told) >= 9
    assert (told[0].kind, told[0].stage, told[0].target, told[0].in_flight) == ("Hold", "s", "Direct", 2)
    assert told[3].completed - told[2].completed == pytest.approx(20, abs=2)
    assert told[3].rps == pytest.approx(20, abs=2)
    assert told[3].p95_ms == pytest.approx(100, rel=0.02)


def moment(phase: int, latencies_ms: list[float]) -> Progress:
    """What a runner says after these answers in a phase."""
    many = len(latencies_ms)
    p95 = max(latencies_ms, default=None)  # its own; it must not matter
    return Progress(phases=9, phase=phase, completed=many, rps=many, p95_ms=p95, latency=times(latencies_ms).encode())


def test_progress_of_several_runners_adds_up():
    """Rates and counts are sums; the p95 is that of all their answers, neither the slowest runner's (900 ms) nor the mean of both."""
    both = combine([moment(1, [1.0] * 990), moment(1, [900.0] * 10)])
    assert (both.completed, both.rps) == (1000, 1000)
    assert both.p95_ms == pytest.approx(1.0, rel=0.002)
    assert combine([moment(1, [1.0] * 90), moment(1, [900.0] * 10)]).p95_ms == pytest.approx(900, rel=0.002)
    assert combine([moment(1, []), moment(1, [])]).p95_ms is None


async def test_what_a_runner_was_last_heard_of_is_what_it_is_known_to_have_done():
    """All phases, the short ones that no report falls into as well; the calls in flight have no end, and are not in it."""
    stages = [{"name": name, "users": 2, "duration": "1500ms"} for name in ("a", "b")]
    plan = a_plan(warmup="300ms", stages=stages)
    told: list[tuple[Progress, int]] = []
    engine = an_engine(plan, ScriptedDriver(takes(0.1)), on_progress=lambda moment: told.append((moment, engine.snapshot().offered)))
    await engine.prepare()
    await engine.run(LoopClock().now())
    last, offered = told[2]
    found = known(plan, 3, last)
    assert found is not None
    assert (found.index, found.until_ms) == (3, pytest.approx(3000, abs=10))
    assert (found.offered, found.completed, found.failed, found.dropped) == (offered, offered, 0, 0)
    assert found.offered > last.completed > 0
    assert known(plan, 3, Progress()) is known(plan, 3, None) is known(plan, 3, replace(last, phase=99)) is None


def test_progress_is_of_the_phase_that_has_begun():
    """A runner that hasn't told of it yet, or never will, neither holds the others back nor adds what it did before."""
    both = combine([moment(1, [900.0] * 50), moment(2, [5.0] * 3), Progress()])
    assert (both.phase, both.completed) == (2, 3)
    assert both.p95_ms == pytest.approx(5, rel=0.002)
    assert combine([Progress(), Progress()]).kind == "Preparing"


async def test_trap_T18_a_blocked_loop_shows_in_the_part():
    """The loop stands still for 80 ms in the stage: the loop lag of that phase shows it, as does the start lag of an open stage."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 100, "duration": "1s"}])
    clock = LoopClock()

    class Jumping:
        """A clock on which the block has happened: the loop's virtual time doesn't pass during a callback."""

        def __init__(self) -> None:
            self.lost = 0.0

        def now(self) -> float:
            return clock.now() + self.lost

    loop, jumping = asyncio.get_running_loop(), Jumping()
    engine = Engine(plan, 0, jumping, {"Direct": ScriptedDriver(takes(0.01))})
    await engine.prepare()
    loop.call_later(0.51, setattr, jumping, "lost", 0.08)
    part = await engine.run(jumping.now())
    generator = part.phases[0].generator
    assert Histogram.decode(generator.loop_lag).max >= 60_000_000
    assert Histogram.decode(generator.start_lag).max >= 60_000_000


async def test_cpu_is_a_share_of_each_phase():
    """The process clock is read at the edges of a phase."""
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)), cpu=lambda: asyncio.get_running_loop().time() / 4)
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    generator = part.phases[0].generator
    assert generator.cpu_ms / generator.wall_ms == pytest.approx(0.25, rel=0.01)


async def test_trap_T29_only_the_given_clock_is_read(monkeypatch: pytest.MonkeyPatch):
    """The wall clock jumps an hour forth and back during the run: nothing changes."""
    import time

    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 + 3600 * (next(jumps) % 2))
    engine = an_engine(a_plan(), ScriptedDriver(takes(0.1)))
    await engine.prepare()
    part = await engine.run(LoopClock().now())
    assert part.phases[0].series[0].completed == 200
