"""Whole lives of LoadTests on a fake clock: queues, edits, ends, what is kept, and an operator killed at every write."""

from __future__ import annotations

import pytest

from slipstream_operator.kube.kinds import LOAD_TEST
from tests.fakes.loadtest_world import NS, World, finished, new_world, stamp


@pytest.fixture
async def world() -> World:
    return await new_world()


async def test_a_run_from_its_first_look_to_its_last(world: World) -> None:
    """The control of all that follows: it passes, says why it began, and lets its Job go."""
    world.apply()
    await world.until(lambda: finished(world))
    assert (world.reason(), world.status()["trigger"]) == ("Passed", "SpecChanged")
    await world.until(lambda: ("jobs", NS, "slipstream-lt-recall-1") not in world.kube.objects, within=4000)
    assert world.results() == ["slipstream-lt-recall-1-result"]


async def test_trap_t28_results_outlive_jobs_and_operators(world: World) -> None:
    """The Job expires, the operator is another process: the result, the history and the verdict are as they were."""
    world.apply(ttlAfterFinished="5s")
    await world.until(lambda: finished(world))
    said = dict(world.status())
    await world.until(lambda: not [k for k in world.kube.objects if k[0] == "jobs"], within=60)
    await world.operator()
    for _ in range(5):
        await world.look()
    assert world.results() == ["slipstream-lt-recall-1-result"]
    assert dict(world.status()) == said


@pytest.mark.parametrize("cut", range(14))
async def test_an_operator_killed_before_any_write_goes_on_with_the_same_run(world: World, cut: int) -> None:
    """One run, one Job, one result, whichever write was the last one of the process."""
    world.cut = cut
    world.apply()
    await world.until(lambda: finished(world))
    for _ in range(10):
        await world.look()
    assert world.jobs_made == ["slipstream-lt-recall-1"]
    assert (world.status()["run"], world.reason()) == (1, "Passed")
    assert world.results() == ["slipstream-lt-recall-1-result"]
    assert len(world.status()["history"]) == 1


async def test_the_kills_reach_every_write_of_a_run(world: World) -> None:
    """The control of the test above: a run makes fewer writes than it cuts at, and more than a few."""
    world.apply()
    await world.until(lambda: finished(world))
    assert 6 <= world.writes <= 14


async def test_tests_of_one_target_run_one_after_another_in_order_of_asking(world: World) -> None:
    """Three tests of one url; the operator is another process at every look; never two Jobs at once."""
    for name in ("c", "b", "a"):
        world.apply(name)
        await world.look(name)
    assert world.reason("b") == world.reason("a") == "Queued"
    assert "LoadTest c" in world.message("b")
    order: list[str] = []
    for _ in range(120):
        await world.operator()
        await world.look("a", "b", "c", step=1.0)
        going = [n for n in "abc" if world.status(n).get("run") and not world.status(n).get("completionTime")]
        assert len(going) <= 1
        order += [n for n in going if n not in order]
    assert order == ["c", "b", "a"]
    assert [world.reason(n) for n in "abc"] == ["Passed"] * 3


async def test_a_head_that_is_suspended_or_deleted_frees_the_queue(world: World) -> None:
    """The one behind it goes on."""
    for name in ("a", "b", "c"):
        world.apply(name)
        await world.look(name)
    world.kube.remove(LOAD_TEST, NS, "a")
    await world.look("b")
    assert world.reason("b") == "Starting"
    world.apply("b", suspend=True)
    await world.until(lambda: finished(world, 1, "b"), "b")
    await world.until(lambda: finished(world, 1, "c"), "c")
    assert world.reason("c") == "Passed"


async def test_two_tests_without_a_common_queue_run_together(world: World) -> None:
    """The control of the queue."""
    world.apply("a")
    world.apply("b", queue="mine")
    await world.look("a", "b")
    await world.look("a", "b")
    assert {world.reason(n) for n in "ab"} == {"Starting"}


async def test_an_edit_during_a_run_waits_for_its_end(world: World) -> None:
    """The run keeps its plan, the message says what follows, and run 2 has the new one."""
    world.apply()
    await world.until(lambda: world.reason() == "Running")
    world.apply(stages=[{"name": "t", "users": 3, "duration": "5s"}])
    await world.look()
    assert "runs after this run" in world.message()
    await world.until(lambda: finished(world, 2))
    assert [r["run"] for r in world.status()["history"]] == [2, 1]
    assert [s["name"] for s in world.status()["stages"]] == ["t"]


async def test_an_active_deadline_aborts(world: World) -> None:
    """spec.activeDeadline of 8 s in a run of 10."""
    world.apply(activeDeadline="8s")
    await world.until(lambda: finished(world))
    assert world.reason() == "Aborted"
    assert "activeDeadline" in world.message()


async def test_live_figures_are_written_at_most_each_five_seconds(world: World) -> None:
    """RPS, P95 and ERRORS show while it runs."""
    world.apply(stages=[{"name": "s", "users": 2, "duration": "60s"}])
    await world.until(lambda: "rps" in (world.status().get("summary") or {}))
    assert float(world.status()["summary"]["rps"]) >= 200
    assert world.status()["summary"]["errors"] == "1%"
    writes = world.writes
    for _ in range(20):
        await world.look()
    assert 20 / 5 - 1 <= world.writes - writes <= 20 / 5


async def test_the_last_passed_run_is_kept_as_a_baseline(world: World) -> None:
    """Its result outlives a history that has let go of it, and is handed to the judgement."""
    compare = {"baseline": "LastPassed"}
    world.apply(comparison=compare, history={"passed": 0, "failed": 1})
    await world.until(lambda: finished(world))
    world.apply(
        comparison=compare, history={"passed": 0, "failed": 1}, rerun="2", thresholds=[{"name": "p", "metric": "latency.p95", "max": "0s"}]
    )
    await world.until(lambda: finished(world, 2))
    assert world.results() == ["slipstream-lt-recall-1-result", "slipstream-lt-recall-2-result"]


async def test_results_that_a_killed_operator_left_behind_go_with_the_next_run(world: World) -> None:
    """A history of one: whatever else is stored goes, whoever was to remove it."""
    for run in range(1, 4):
        world.apply(rerun=str(run), history={"passed": 1, "failed": 1})
        if run == 2:
            world.kube.seed(LOAD_TEST, world.kube.objects["loadtests", NS, "recall"])
        await world.until(lambda run=run: finished(world, run))  # type: ignore[misc]  # bound at once
    assert world.results() == ["slipstream-lt-recall-3-result"]
    assert stamp(world.now) > world.status()["completionTime"]
