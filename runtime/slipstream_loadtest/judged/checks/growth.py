"""Does the target's memory grow under constant load? Judged from samples of its gauge. Pure; reads nothing.

Looked at are the samples of each stage's Hold windows, without the first half of them: a cache that fills up isn't a leak. Three things
must grow faster than allowed before a run fails: the Theil–Sen slope (its whole interval), the floors of the quarters of that time (a
garbage collector's sawtooth has flat ones), and, where the plan has idle phases, the floors between the cycles of load.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from slipstream_loadtest.judged.checks.row import CheckRow, Control, Result
from slipstream_loadtest.judged.checks.trend import Point, Trend, theil_sen
from slipstream_loadtest.measured import result as measured
from slipstream_loadtest.measured.part import MemorySample
from slipstream_loadtest.plan.asked import MemoryGrowth
from slipstream_loadtest.plan.model import Phase, Plan

LEAST: Final = 10  # samples after the first half: with fewer the interval of a slope is all there is
QUARTERS: Final = 4
LEAKS: Final = (1.1, 1.25, 1.5, 2.0)  # the control's leaks, in limits; the last one is the limit on top of what is allowed
_SMALLEST: Final = 1024.0  # bytes a second: the control's limit where the limit is none

Series = tuple[tuple[Point, ...], ...]


class Memory(NamedTuple):
    """What is looked at: x in seconds, y in bytes. `idle`: x in seconds under load before the floor."""

    held: Series
    idle: tuple[Point, ...] = ()


class Judged(NamedTuple):
    """What the samples show."""

    result: Result
    trend: Trend | None
    message: str


def judge_growth(plan: Plan, asked: MemoryGrowth, result: measured.Result) -> CheckRow:
    """The row of the check."""
    memory = gather(plan, result.memory)
    judged = judge_memory(memory, asked)
    control, found = _control(memory, asked)
    outcome, message = judged.result, judged.message
    if judged.trend is None:
        message = _nothing(asked, result.memory_error) if not result.memory else message
    elif outcome == "Passed" and control != "Caught":
        outcome = "Inconclusive"
        message = "the control wasn't caught: with a leak of the limit's size on top these samples pass as well; hold the load longer"
    return CheckRow(
        name="memoryGrowth",
        result=outcome,
        control=control,
        observed=_observed(judged.trend, asked),
        limit=f"at most {size(asked.max_bytes)} in {_span(asked)}",
        detectable=f"a leak of {size(found * _limit(asked) * asked.per_ms / 1000)} in {_span(asked)}" if found else "",
        message=message,
    )


def gather(plan: Plan, samples: Sequence[MemorySample]) -> Memory:
    """The samples that count: of each stage the later half (of each cycle, where those are long enough), the lowest of each idle phase."""
    cycles = any(phase.kind == "Idle" for phase in plan.phases)
    held: list[tuple[Point, ...]] = []
    for stage in plan.stages:
        windows = [_within(phase, samples) for phase in plan.phases if phase.kind == "Hold" and phase.stage == stage.name]
        apart = cycles and all(len(window) >= LEAST for window in windows)
        series = windows if apart else [[point for window in windows for point in window]]
        held += [tuple(points[len(points) // 2 :]) for points in series if points]
    idle, loaded = [], 0.0
    for phase in plan.phases:
        if phase.kind == "Hold":
            loaded += phase.duration_ms / 1000
        elif phase.kind == "Idle" and loaded and (points := _within(phase, samples)):
            idle.append((loaded, min(y for _, y in points)))
    return Memory(tuple(held), tuple(idle))


def judge_memory(memory: Memory, asked: MemoryGrowth) -> Judged:
    """What is to be said of these samples."""
    limit = asked.max_bytes * 1000 / asked.per_ms
    count = sum(len(one) for one in memory.held)
    trend = theil_sen(memory.held) if count >= LEAST else None
    if trend is None:
        return Judged("Inconclusive", None, f"{count} samples after the first half of each stage, {LEAST} are needed: hold the load longer")
    if trend.high <= limit:
        return Judged("Passed", trend, "")
    floors = theil_sen([_floors(one) for one in memory.held])
    if floors is not None and floors.slope <= limit / 2:
        return Judged("Passed", trend, "it rises and falls, and its floors don't rise, or far slower than allowed")
    idle = theil_sen([memory.idle])
    if idle is not None and idle.slope <= limit:
        return Judged("Passed", trend, "it grows under load and falls when idle: the floors between don't rise faster than allowed")
    if trend.low <= limit or floors is None or floors.slope <= limit:
        message = f"{size(limit)} a second lies within the interval of the growth: hold the load longer"
        return Judged("Inconclusive", trend, message)
    return Judged("Failed", trend, f"the target's memory {_grows(trend, asked)}, allowed are {size(asked.max_bytes)}")


def size(count: float) -> str:
    """Bytes as people write them: 1.2 MiB."""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if abs(count) >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def _within(phase: Phase, samples: Sequence[MemorySample]) -> list[Point]:
    return [(s.at_ms / 1000, float(s.bytes)) for s in samples if phase.start_ms <= s.at_ms < phase.end_ms]


def _floors(points: Sequence[Point]) -> list[Point]:
    """The lowest sample of each quarter, at the quarter's middle."""
    if len(points) < 2 * QUARTERS:
        return list(points)
    bounds = [len(points) * n // QUARTERS for n in range(QUARTERS + 1)]
    parts = [points[a:b] for a, b in pairwise(bounds)]
    return [((part[0][0] + part[-1][0]) / 2, min(y for _, y in part)) for part in parts]


def _limit(asked: MemoryGrowth) -> float:
    """Bytes a second that the control is about."""
    return max(asked.max_bytes * 1000 / asked.per_ms, _SMALLEST)


def _control(memory: Memory, asked: MemoryGrowth) -> tuple[Control, float]:
    """The same samples without their own trend and with a known leak, which must be found. Also the smallest that was, in limits."""
    trend = theil_sen(memory.held)
    if trend is None or sum(len(one) for one in memory.held) < LEAST:
        return "NotRun", 0.0
    for leak in LEAKS:
        slope = leak * _limit(asked) - trend.slope
        held = tuple(tuple((x, y + slope * x) for x, y in one) for one in memory.held)
        own = theil_sen([memory.idle])
        rise = leak * _limit(asked) - (own.slope if own is not None else 0.0)
        idle = tuple((x, y + rise * x) for x, y in memory.idle)
        if judge_memory(Memory(held, idle), asked).result == "Failed":
            return "Caught", leak
    return "Missed", 0.0


def _grows(trend: Trend, asked: MemoryGrowth) -> str:
    per = asked.per_ms / 1000
    return f"grows by {size(trend.slope * per)} in {_span(asked)} (95% interval {size(trend.low * per)} to {size(trend.high * per)})"


def _observed(trend: Trend | None, asked: MemoryGrowth) -> str:
    return "" if trend is None else f"{_grows(trend, asked)}, from {trend.points} samples"


def _span(asked: MemoryGrowth) -> str:
    return f"{asked.per_ms / 1000:g}s"


def _nothing(asked: MemoryGrowth, error: str) -> str:
    where = f"{asked.path}{f' on port {asked.port}' if asked.port else ''}"
    return f"the target's memory couldn't be read at {where}: {error or 'nothing was sampled'}; see checks.memoryGrowth.source"
