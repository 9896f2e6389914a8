"""Cron in a time zone: ticks against a search by the minute, changes of clocks, and which missed tick still runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_operator.loadtests.asking.schedule import BadSchedule, Due, check, due, next_tick, stamp
from tests.fakes.loadtest_world import unix


def ticks(cron: str, zone: str, first: str, last: str) -> list[str]:
    found, at = [], unix(first) - 1
    while (tick := next_tick(cron, zone, at)) is not None and tick <= unix(last):
        found.append(stamp(tick))
        at = tick
    return found


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", "2026-03-29", ["2026-03-29T01:00:00Z"]),  # 02:30 doesn't come: right after the change
        ("30 2 * * *", "2026-10-25", ["2026-10-25T00:30:00Z"]),  # 02:30 comes twice: the first one
        ("0 4 * * *", "2026-03-29", ["2026-03-29T02:00:00Z"]),
        ("0 4 * * *", "2026-10-25", ["2026-10-25T03:00:00Z"]),
        ("0 4 * * *", "2026-10-24", ["2026-10-24T02:00:00Z"]),
    ],
)
def test_a_run_a_day_also_when_the_clocks_change(cron: str, day: str, expected: list[str]) -> None:
    """Berlin, the two changes of 2026 and the day before one."""
    assert ticks(cron, "Europe/Berlin", f"{day}T00:00:00Z", f"{day}T12:00:00Z") == expected


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_an_hourly_schedule_runs_by_elapsed_time(day: str) -> None:
    """No hour is left out or doubled."""
    assert len(ticks("0 * * * *", "Europe/Berlin", f"{day}T00:00:00Z", f"{day}T11:59:00Z")) == 12


def test_from_within_the_doubled_hour_the_next_tick_is_ahead() -> None:
    """At the second 02:10, the first 02:30 lies behind."""
    now = unix("2026-10-25T01:10:00Z")
    found = next_tick("30 2 * * *", "Europe/Berlin", now)
    assert found is not None
    assert stamp(found) == "2026-10-26T01:30:00Z"


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.integers(0, 364),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_a_daily_tick_is_what_a_search_by_the_minute_finds(minute: int, hour: int, day: int, zone: str) -> None:
    """Away from changes of clocks: the first minute of the zone that reads so."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, hours=5)
    found = next_tick(f"{minute} {hour} * * *", zone, now.timestamp())
    local = (now + timedelta(minutes=1)).replace(second=0)
    while (local.astimezone(ZoneInfo(zone)).hour, local.astimezone(ZoneInfo(zone)).minute) != (hour, minute):
        local += timedelta(minutes=1)
        if local > now + timedelta(hours=26):
            return  # the hour that a change skips
    assert found == local.timestamp()


NOW = unix("2026-01-01T12:00:30Z")


@pytest.mark.parametrize(
    ("promised", "deadline", "expected"),
    [
        (None, 600, None),  # a schedule that is new: what was before it doesn't count
        ("2026-01-01T12:05:00Z", 600, None),
        ("2026-01-01T12:00:00Z", 600, "2026-01-01T12:00:00Z"),
        ("2026-01-01T11:40:00Z", 600, "2026-01-01T12:00:00Z"),  # five were missed: the latest
        ("2026-01-01T12:00:00Z", 20, None),  # too late
        ("2026-01-01T11:58:00Z", 600, None),  # a tick of another schedule
        ("2020-01-01T00:00:00Z", 1e9, "2026-01-01T12:00:00Z"),  # years, and no search through all of them
    ],
)
def test_which_tick_is_due(promised: str | None, deadline: float, expected: str | None) -> None:
    """Every five minutes, half a minute after noon."""
    found = due("*/5 * * * *", "UTC", deadline, unix(promised) if promised else None, NOW)
    assert (stamp(found.tick) if found.tick is not None else None) == expected
    assert found.next == unix("2026-01-01T12:05:00Z")


@given(promised=st.integers(0, 100_000), now=st.integers(0, 100_000), deadline=st.integers(0, 5_000))
def test_what_is_due_is_a_tick_within_its_deadline(promised: int, now: int, deadline: int) -> None:
    """And the next one is always ahead."""
    found: Due = due("*/7 * * * *", "UTC", deadline, float(promised), float(now))
    assert found.next is not None
    assert found.next > now
    if found.tick is not None:
        assert now - deadline <= found.tick <= now
        assert found.tick >= promised
        assert next_tick("*/7 * * * *", "UTC", found.tick - 1) == found.tick


@pytest.mark.parametrize(
    ("cron", "zone", "says"),
    [
        ("61 * * * *", "UTC", "minute"),
        ("* * * * * *", "UTC", "6 fields"),
        ("0 0 30 2 *", "UTC", "day-of-month"),
        ("0 3 * * *", "Europe/Atlantis", "timeZone"),
        ("0 3 * * *", "/etc/passwd", "timeZone"),
    ],
)
def test_what_cannot_be_read_names_its_field(cron: str, zone: str, says: str) -> None:
    """Before a run, not by one."""
    with pytest.raises(BadSchedule, match=says):
        check(cron, zone)
