"""When a schedule's next run is due, and whether one is due now. Pure: `now` and all times are unix seconds.

Cron as Debian has it, daylight saving included: a run at a fixed time that a change of clocks skips comes right after the change, one in
the hour that comes twice runs once; a schedule of every hour or minute runs by elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS: Final = 5
_LOOKS_BACK: Final = (3_600.0, 86_400.0, float("inf"))  # so that no schedule makes a look long: dense ones are found in the first


class BadSchedule(ValueError):  # noqa: N818 - names what is so
    """A cron line or a time zone that can't be read; the message names the field."""


@dataclass(frozen=True, slots=True)
class Due:
    """`tick`: the one that is to run, None for none. `left_out`: how many were missed for good. `next`: the next one; None for never."""

    tick: float | None
    next: float | None
    left_out: bool = False


def check(cron: str, zone: str) -> None:
    """Raises BadSchedule for what can't be read, and for what never comes."""
    if next_tick(cron, zone, datetime(2026, 1, 1, tzinfo=UTC).timestamp()) is None:
        raise BadSchedule(f"spec.schedule.cron: {cron} never comes")


def next_tick(cron: str, zone: str, after: float) -> float | None:
    """The first tick after a moment; None when there is none within 50 years. Raises BadSchedule."""
    return next(_ticks(cron, zone, after), None)


def due(cron: str, zone: str, deadline: float, promised: float | None, now: float) -> Due:
    """What a schedule asks for. `promised`: the tick that was announced last (status.nextScheduleTime); those before it had their turn.

    Of several missed ones only the latest runs, and only within `deadline` seconds of its time; a promise that isn't one of this schedule's
    ticks was made for another schedule and is forgotten.
    """
    upcoming = next_tick(cron, zone, now)
    if promised is None or promised > now:
        return Due(None, upcoming)
    if next_tick(cron, zone, promised - 1) != promised:
        return Due(None, upcoming)
    latest = _latest(cron, zone, max(promised, now - deadline), now)
    return Due(latest, upcoming, left_out=latest is None)


def stamp(unix: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _latest(cron: str, zone: str, first: float, now: float) -> float | None:
    for back in _LOOKS_BACK:
        found = None
        for tick in _ticks(cron, zone, max(first, now - back) - 1):
            if tick > now:
                break
            found = tick
        if found is not None or now - back <= first:
            return found
    return None


def _ticks(cron: str, zone: str, after: float) -> Iterator[float]:
    if len(cron.split()) != FIELDS:
        raise BadSchedule(f"spec.schedule.cron: {cron} has {len(cron.split())} fields, not minute, hour, day of month, month, day of week")
    try:
        where = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise BadSchedule(f"spec.schedule.timeZone: {zone} is no IANA time zone") from None
    try:
        ticks = CronSim(cron, datetime.fromtimestamp(after, where if zone != "UTC" else UTC))
    except CronSimError as error:
        raise BadSchedule(f"spec.schedule.cron: {cron}: {error}") from None
    for tick in ticks:
        if tick.timestamp() > after:  # in the hour that comes twice, the first of the two may lie behind
            yield tick.timestamp()
