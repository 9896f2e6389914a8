"""Runners that are lost, late, replaced or out of reach, on a fake clock: what the run makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipstream_loadtest.measured.part import frame
from slipstream_operator.errors import Temporary
from tests.fakes.loadtest_world import NS, Runner, World, finished, new_world


@pytest.fixture
async def world() -> World:
    return await new_world()


async def test_a_lost_runner_ends_the_others_unless_it_may_be_borne(world: World) -> None:
    """Fail: the other one is told to end at once. Continue with maxLost 1: it goes on to its end."""
    for name, policy in (("a", {"count": 2}), ("b", {"count": 2, "lossPolicy": "Continue", "maxLost": 1})):
        world.apply(name, runners=policy, queue=name)
        await world.until(lambda name=name: world.reason(name) == "Running", name)  # type: ignore[misc]  # bound at once
        mine = [r for r in world.runners.values() if r.job == f"slipstream-lt-{name}-1"]
        world.kill(mine[1])
        await world.until(lambda name=name: finished(world, 1, name), name)  # type: ignore[misc]  # bound at once
        assert bool(mine[0].aborted) is (name == "a")
    assert "1 of 2 runners lost: runner 1" in world.message("a")
    assert world.status("b")["runners"]["summary"] == "1/2"


def phase_of(runner: Runner, now: float) -> str:
    """What it does: of itself before the start, of the plan after it."""
    if runner.start_at is None or now < runner.start_at:
        return runner.phase(now) if runner.start_at is None else "Ready"
    elapsed = (now - runner.start_at) * 1000
    return next((phase.kind for phase in runner.plan.phases if phase.start_ms <= elapsed < phase.end_ms), "Done")


@pytest.mark.parametrize("phase", ["Preparing", "Ready", "WarmUp", "Ramp", "Settle", "Hold", "Drain"])
async def test_trap_t15_a_runner_killed_in_any_phase_is_inconclusive_and_named(world: World, phase: str) -> None:
    """One verdict, one result, no second run."""
    stage = {"name": "s", "users": 2, "ramp": "4s", "settle": "4s", "duration": "4s", "drain": "4s"}
    world.apply(warmup="4s", stages=[stage])
    await world.until(lambda: any(phase_of(r, world.now) == phase for r in world.runners.values() if r.index == 1))
    world.kill(next(r for r in world.runners.values() if r.index == 1))
    await world.until(lambda: finished(world))
    assert world.reason() == "Inconclusive"
    assert "runner 1" in world.message()
    for _ in range(5):
        await world.look()
    assert (world.status()["run"], world.results()) == (1, ["slipstream-lt-recall-1-result"])


async def test_a_runner_killed_once_its_part_is_in_its_log_loses_nothing(world: World) -> None:
    """The control: after the last phase the log is as good as the runner."""
    world.apply()
    await world.until(lambda: world.reason() == "Running")
    runner = next(r for r in world.runners.values() if r.index == 1)
    await world.until(lambda: world.now > runner.start_at + 9.5)
    printed = "\n".join(frame(runner.part()))
    world.now = runner.start_at + 12
    world.kill(runner)
    world.kube.printed[NS, f"{runner.job}-{runner.uid.removeprefix('pod-')}", "runner"] = printed
    await world.until(lambda: finished(world))
    assert (world.reason(), world.status()["runners"]["summary"]) == ("Passed", "2/2")


@pytest.mark.parametrize("policy", ["Fail", "Continue"])
async def test_trap_t15_what_a_lost_runner_had_done_is_said_and_in_no_figure(world: World, policy: str) -> None:
    """By its last word, at most a second before; to an operator that hasn't heard it, for it has just begun, it is merely lost."""
    policies = {"count": 2, "lossPolicy": policy, "maxLost": 1 if policy == "Continue" else 0}
    for name, restarted in (("known", False), ("unknown", True)):
        world.apply(name, runners=policies, queue=name)
        await world.until(lambda name=name: world.reason(name) == "Running", name)  # type: ignore[misc]  # bound at once
        for _ in range(5):
            await world.look(name)
        if restarted:
            await world.operator()
        world.kill(_of(world, name)[1])
        await world.until(lambda name=name: finished(world, 1, name), name)  # type: ignore[misc]  # bound at once
        assert world.status(name)["runners"]["summary"] == "1/2"
        assert world.status(name)["summary"]["requests"] == 50
    assert "; runner 1 had offered 50 calls by 3s (50 answered, 0 failed), which are in no figure" in world.message("known")
    assert "had offered" not in world.message("unknown")


async def test_trap_t14_a_runner_is_replaced_before_the_start_and_never_counted_twice(world: World) -> None:
    """Replace: index 1 dies while it prepares, its second pod measures; the part is of the second attempt alone."""
    world.apply(runners={"count": 2, "lossPolicy": "Replace", "maxLost": 0})
    await world.until(lambda: len(world.runners) == 2)
    first = next(r for r in world.runners.values() if r.index == 1)
    world.kill(first)
    await world.until(lambda: finished(world))
    assert (world.reason(), world.status()["runners"]["summary"]) == ("Passed", "2/2")
    assert world.status()["summary"]["requests"] == 100


async def test_trap_t14_a_part_of_another_attempt_is_not_taken(world: World) -> None:
    """Its address was given to another pod: what answers there measured something else, and the run waits for its own."""
    world.apply(runners={"count": 1})
    await world.until(lambda: world.reason() == "Running")
    (mine,) = world.runners.values()
    stranger = replace(mine, uid="pod-of-another-attempt")
    served, world.runners[mine.ip].part = mine.part, stranger.part  # type: ignore[method-assign]  # the wire, not the runner
    for _ in range(15):
        await world.look()
    assert not finished(world)
    world.runners[mine.ip].part = served  # type: ignore[method-assign]  # as above
    await world.until(lambda: finished(world))
    assert world.reason() == "Passed"


async def test_continue_starts_without_a_runner_that_was_lost_before(world: World) -> None:
    """Two of three are enough with maxLost 1, and not without it."""
    for name, most in (("a", 1), ("b", 0)):
        world.apply(name, runners={"count": 3, "lossPolicy": "Continue", "maxLost": most}, queue=name)
        await world.until(lambda name=name: world.status(name).get("run") == 1 and len(_of(world, name)) == 3, name)  # type: ignore[misc]  # bound at once
        world.kill(_of(world, name)[0])
        await world.until(lambda name=name: finished(world, 1, name), name)  # type: ignore[misc]  # bound at once
    assert world.status("a")["runners"]["summary"] == "2/3"
    assert "ended before the start" in world.message("b")


def _of(world: World, name: str) -> list[Runner]:
    return [r for r in world.runners.values() if r.job == f"slipstream-lt-{name}-1"]


async def test_a_pod_that_replaces_another_after_the_start_measures_nothing(world: World) -> None:
    """Another stretch of time is another measurement: the run counts it as lost."""
    world.apply(runners={"count": 2, "lossPolicy": "Replace", "maxLost": 1})
    await world.until(lambda: world.reason() == "Running")
    world.kill(next(r for r in world.runners.values() if r.index == 1))
    late = next(r for r in world.runners.values() if r.uid == "pod-3")
    world.now += 12
    await world.until(lambda: finished(world))
    assert late.start_at is None
    assert world.status()["runners"]["summary"] == "1/2"


async def test_trap_t15_an_api_error_keeps_the_last_state(world: World) -> None:
    """Runners that can't be reached and an API server that is away are no lost runners."""
    world.apply()
    await world.until(lambda: world.reason() == "Running")
    before = dict(world.status())
    world.unreachable = True

    async def away(*_: object) -> None:
        raise Temporary("away")

    was, world.kube.before = world.kube.before, away
    for _ in range(3):
        await world.look()
    assert dict(world.status()) == before
    world.kube.before, world.unreachable = was, False
    await world.until(lambda: finished(world))
    assert world.reason() == "Passed"


async def test_runners_out_of_reach_end_the_run_at_its_deadline(world: World) -> None:
    """Neither parts nor answers: no stage is without a bound."""
    world.apply()
    await world.until(lambda: world.reason() == "Running")
    world.unreachable = True
    await world.until(lambda: finished(world), within=60)
    assert "no part from runner 0, 1" in world.message()


async def test_runners_that_never_get_ready_end_the_run(world: World) -> None:
    """startTimeout of the spec."""
    world.ready_after = 1e9
    world.apply(runners={"count": 2, "startTimeout": "30s"})
    await world.until(lambda: finished(world), within=40)
    assert "0 of 2 runners are ready (runner 0: its sidecar or the target doesn't answer yet) after 30s" in world.message()
