"""Whole lives of LoadTests on a fake clock: a day and a year of a schedule, queues, losses, and an operator killed at every write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipstream_operator.errors import Temporary
from slipstream_operator.kube.kinds import LOAD_TEST
from tests.fakes.loadtest_world import NS, Runner, World, new_world, stamp, unix


@pytest.fixture
async def world() -> World:
    return await new_world()


def finished(world: World, run: int = 1, name: str = "recall") -> bool:
    status = world.status(name)
    return status.get("run") == run and bool(status.get("completionTime"))


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


async def test_a_day_of_an_hourly_schedule(world: World) -> None:
    """24 runs by schedule after the first, none twice, the history bounded, results of dropped runs gone."""
    world.apply(schedule={"cron": "0 * * * *"}, history={"passed": 3, "failed": 1})
    await world.sleep_until(unix("2026-01-02T00:30:00Z"))
    assert world.status()["run"] == 25
    assert world.status()["trigger"] == "Schedule"
    assert world.status()["lastScheduleTime"] == "2026-01-02T00:00:00Z"
    assert world.status()["nextScheduleTime"] == "2026-01-02T01:00:00Z"
    assert [record["run"] for record in world.status()["history"]] == [25, 24, 23]
    assert world.results() == [f"slipstream-lt-recall-{run}-result" for run in (23, 24, 25)]
    assert len(set(world.jobs_made)) == len(world.jobs_made) == 25


async def test_a_schedule_that_is_added_to_an_idle_test_counts_from_then_on(world: World) -> None:
    """Nothing for the tick before, a run for the next one; while suspended, and once too late, ticks are left out and the next is told."""
    world.apply()
    await world.until(lambda: finished(world))
    world.now = unix("2026-01-01T01:01:00Z")
    world.apply(schedule={"cron": "0 * * * *"})
    await world.sleep_until(unix("2026-01-01T01:59:00Z"))
    assert (world.status()["run"], world.status()["nextScheduleTime"]) == (1, "2026-01-01T02:00:00Z")
    await world.sleep_until(unix("2026-01-01T02:10:00Z"))
    assert (world.status()["run"], world.status()["trigger"]) == (2, "Schedule")
    world.apply(schedule={"cron": "0 * * * *"}, suspend=True)
    await world.sleep_until(unix("2026-01-01T03:05:00Z"))
    world.apply(schedule={"cron": "0 * * * *"})
    await world.sleep_until(unix("2026-01-01T03:20:00Z"))
    assert (world.status()["run"], world.status()["nextScheduleTime"]) == (2, "2026-01-01T04:00:00Z")


async def test_a_year_of_sundays_in_a_zone_with_two_times(world: World) -> None:
    """52 runs at half past two in Berlin, the hour that is skipped and the one that comes twice included: both changes are on a Sunday."""
    world.apply(schedule={"cron": "30 2 * * SUN", "timeZone": "Europe/Berlin"}, runners={"count": 1})
    await world.sleep_until(world.now + 120)
    ticks: set[str] = set()
    for week in range(52):
        world.now = unix("2026-01-04T00:20:00Z") + week * 7 * 86_400
        await world.sleep_until(world.now + 5400)
        ticks.add(world.status()["lastScheduleTime"])
    assert world.status()["run"] == 53
    assert len(ticks) == 52
    assert {"2026-03-22T01:30:00Z", "2026-03-29T01:00:00Z", "2026-04-05T00:30:00Z", "2026-10-25T00:30:00Z", "2026-11-01T01:30:00Z"} <= ticks
    assert len(world.results()) == 3


@pytest.mark.parametrize(("away", "runs"), [(300, 2), (3 * 3600 + 300, 2), (3 * 3600 + 1200, 1)], ids=["short", "three ticks", "too late"])
async def test_of_missed_ticks_at_most_the_latest_runs(world: World, away: int, runs: int) -> None:
    """The operator was down over one tick or three: one run, if the last tick is within the deadline of ten minutes."""
    world.apply(schedule={"cron": "0 * * * *"})
    await world.sleep_until(unix("2026-01-01T00:59:00Z"))
    assert world.status()["run"] == 1
    world.now = unix("2026-01-01T01:00:00Z") + away
    await world.operator()
    await world.sleep_until(world.now + 60)
    assert world.status()["run"] == runs


async def test_forbid_leaves_a_tick_out_and_replace_ends_the_run(world: World) -> None:
    """A run of two minutes under a schedule of each minute."""
    long = [{"name": "s", "users": 2, "duration": "100s"}]
    world.apply(stages=long, schedule={"cron": "* * * * *", "concurrencyPolicy": "Forbid"})
    await world.sleep_until(world.now + 90)
    assert world.status()["run"] == 1
    assert not world.status().get("completionTime")
    world.apply("other", stages=long, schedule={"cron": "* * * * *", "concurrencyPolicy": "Replace"}, queue="other")
    await world.sleep_until(world.now + 130, "other")
    assert world.status("other")["history"][0]["reason"] == "Aborted"
    assert world.status("other")["run"] >= 2


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


async def test_an_active_deadline_aborts(world: World) -> None:
    """spec.activeDeadline of 8 s in a run of 10."""
    world.apply(activeDeadline="8s")
    await world.until(lambda: finished(world))
    assert world.reason() == "Aborted"
    assert "activeDeadline" in world.message()


async def test_runners_that_never_get_ready_end_the_run(world: World) -> None:
    """startTimeout of the spec."""
    world.ready_after = 1e9
    world.apply(runners={"count": 2, "startTimeout": "30s"})
    await world.until(lambda: finished(world), within=40)
    assert "0 of 2 runners are ready after 30s" in world.message()


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


@pytest.mark.parametrize("field", ["cron", "timeZone"])
async def test_a_schedule_that_cannot_be_read_is_told(world: World, field: str) -> None:
    """Accepted False, with the field."""
    world.apply(
        schedule={"cron": "0 0 30 2 *" if field == "cron" else "0 3 * * *", "timeZone": "Mars/Olympus" if field == "timeZone" else "UTC"}
    )
    await world.look()
    assert world.reason(type_="Accepted") == "Invalid"
    assert f"spec.schedule.{field}" in world.message(type_="Accepted")


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
