"""Schedules of LoadTests on a fake clock: a day, a year, ticks that were missed, and those that come during a run."""

from __future__ import annotations

import pytest

from tests.fakes.loadtest_world import World, finished, new_world, unix


@pytest.fixture
async def world() -> World:
    return await new_world()


async def test_a_day_of_an_hourly_schedule(world: World) -> None:
    """24 runs by schedule after the first, none twice, the history bounded, results of dropped runs gone, and each Job after its time."""
    world.apply(schedule={"cron": "0 * * * *"}, history={"passed": 3, "failed": 1}, ttlAfterFinished="20m")
    await world.sleep_until(unix("2026-01-02T00:30:00Z"))
    assert world.status()["run"] == 25
    assert world.status()["trigger"] == "Schedule"
    assert world.status()["lastScheduleTime"] == "2026-01-02T00:00:00Z"
    assert world.status()["nextScheduleTime"] == "2026-01-02T01:00:00Z"
    assert [record["run"] for record in world.status()["history"]] == [25, 24, 23]
    assert world.results() == [f"slipstream-lt-recall-{run}-result" for run in (23, 24, 25)]
    assert len(set(world.jobs_made)) == len(world.jobs_made) == 25
    assert [key for key in world.kube.objects if key[0] in ("jobs", "pods")] == []


async def test_a_job_stays_for_its_time(world: World) -> None:
    """The control of the last line above: a quarter of an hour after the run it is there."""
    world.apply(schedule={"cron": "0 * * * *"}, ttlAfterFinished="20m")
    await world.sleep_until(unix("2026-01-01T01:15:00Z"))
    assert [name for plural, _, name in world.kube.objects if plural == "jobs"] == ["slipstream-lt-recall-2"]


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


@pytest.mark.parametrize("field", ["cron", "timeZone"])
async def test_a_schedule_that_cannot_be_read_is_told(world: World, field: str) -> None:
    """Accepted False, with the field."""
    world.apply(
        schedule={"cron": "0 0 30 2 *" if field == "cron" else "0 3 * * *", "timeZone": "Mars/Olympus" if field == "timeZone" else "UTC"}
    )
    await world.look()
    assert world.reason(type_="Accepted") == "Invalid"
    assert f"spec.schedule.{field}" in world.message(type_="Accepted")
