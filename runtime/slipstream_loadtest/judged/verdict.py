"""Passed, Failed or Inconclusive, from the merge alone: a chain of named checks, each with a reason and a message. Pure.

    can the measurement be trusted?  Aborted · LostRunner · NoData · GeneratorSaturated · GeneratorError   ─no─▶ Inconclusive
    is a threshold broken?           ThresholdsFailed                                                     ─yes▶ Failed
    is a check broken?               IsolationBroken · MemoryGrows · Degrades                             ─yes▶ Failed
    is everything asked answered?    MetricNoData · DroppedLoad · Censored · CheckInconclusive · TooFewRepeats ─no─▶ Inconclusive
                                                                                                           ────▶ Passed
"Could not measure" is not "bad", and no data is never a pass. Dropped and censored load only ever flatter a target, so they take a pass
away but never a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from slipstream_loadtest.judged.checks import CheckRow as CheckRow
from slipstream_loadtest.judged.checks import judge_checks
from slipstream_loadtest.judged.comparison import ComparisonRow, compare, too_few
from slipstream_loadtest.judged.metrics import pool
from slipstream_loadtest.judged.saturation import saturation
from slipstream_loadtest.judged.thresholds import ThresholdRow, judge_thresholds
from slipstream_loadtest.measured.result import Result, ResultPart, Window
from slipstream_loadtest.measured.tally import GENERATOR_ERRORS
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_ms

DROPPED_LIMIT: Final = 0.1  # percent of the offered load

Outcome = Literal["Passed", "Failed", "Inconclusive"]


class Reason(ResultPart, frozen=True, kw_only=True):
    """`code`: for machines, one of the names above; `message`: for people, says what to change."""

    code: str
    message: str


class Verdict(ResultPart, frozen=True, kw_only=True):
    """The judgement of a run. `reasons`: every check that spoke, the deciding one first; of a passed run there is one, Passed."""

    result: Outcome
    reasons: tuple[Reason, ...]
    thresholds: tuple[ThresholdRow, ...] = ()
    comparison: tuple[ComparisonRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at."""

    plan: Plan
    result: Result
    thresholds: tuple[ThresholdRow, ...]
    comparison: tuple[ComparisonRow, ...]
    checks: tuple[CheckRow, ...] = ()

    def held(self) -> list[Window]:
        return [w for w in self.result.windows if w.judged]

    def levels(self) -> list[tuple[str, str, list[Window]]]:
        """Target, stage and all repeats of it."""
        keys = dict.fromkeys((w.target, w.stage) for w in self.held())
        return [(t, s, [w for w in self.held() if (w.target, w.stage) == (t, s)]) for t, s in keys]


Check = Callable[[Case], Reason | None]


def judge(plan: Plan, result: Result) -> Verdict:
    """The verdict of a run."""
    case = Case(plan, result, judge_thresholds(plan, result), compare(plan, result), judge_checks(plan, result))
    groups = [[r for check in checks if (r := check(case)) is not None] for checks in (_TRUSTED, _BROKEN, _ANSWERED)]
    outcomes: tuple[Outcome, ...] = ("Inconclusive", "Failed", "Inconclusive")
    decided: Outcome = next((outcome for outcome, reasons in zip(outcomes, groups, strict=True) if reasons), "Passed")
    reasons = tuple(reason for group in groups for reason in group) or (Reason(code="Passed", message=_passed(case)),)
    return Verdict(result=decided, reasons=reasons, thresholds=case.thresholds, comparison=case.comparison, checks=case.checks)


def _aborted(case: Case) -> Reason | None:
    return Reason(code="Aborted", message=f"ended early: {case.result.aborted}") if case.result.aborted else None


def _lost_runner(case: Case) -> Reason | None:
    lost = case.result.lost
    if not lost:
        return None
    which = ", ".join(map(str, lost[:5])) + (" …" if len(lost) > 5 else "")
    there = case.result.runners - len(lost)
    offered = sum(step.offered for w in case.held() for step in w.steps)
    return Reason(
        code="LostRunner",
        message=f"{there} of {case.result.runners} runners reported (lost: {which}); {offered} calls were offered, fewer than planned",
    )


def _no_data(case: Case) -> Reason | None:
    """Every level of load must have offered something; answers are the thresholds' business."""
    for target, stage, windows in case.levels():
        if any(not step_total for step_total in (sum(s.offered for s in w.steps) for w in windows)):
            return Reason(code="NoData", message=f"stage {stage} ({target}) offered nothing: there is no measurement of it")
    return None if case.levels() else Reason(code="NoData", message="no stage was measured")


def _generator_saturated(case: Case) -> Reason | None:
    for target, stage, windows in case.levels():
        if why := saturation(windows):
            return Reason(code="GeneratorSaturated", message=f"stage {stage} ({target}): {why}; use more runners, more CPU or less load")
    return None


def _lag_explains(case: Case) -> Reason | None:
    """A broken bound that would hold without the generator's own lag says nothing about the target."""
    for row in case.thresholds:
        if row.result == "Failed" and row.observed is not None and row.max is not None and row.observed - row.lag <= row.max:
            message = f"threshold {row.name}: {row.metric} is {show(row.observed, row.unit)}, of which the runners' own lag may be"
            return Reason(code="GeneratorSaturated", message=f"{message} {show_ms(row.lag)}; use more runners, more CPU or less load")
    return None


def _generator_error(case: Case) -> Reason | None:
    own = sum(n for w in case.held() for s in w.steps for kind, n in s.errors.items() if kind in GENERATOR_ERRORS)
    if not own:
        return None
    return Reason(
        code="GeneratorError", message=f"{own} calls failed for want of local ports or descriptors: use more runners or fewer users"
    )


def _thresholds_failed(case: Case) -> Reason | None:
    broken = [row for row in case.thresholds if row.result == "Failed"]
    if not broken:
        return None
    first, more = broken[0], f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return Reason(
        code="ThresholdsFailed", message=f"{first.name}: {first.metric} is {show(first.observed, first.unit)}, {first.limit}{more}"
    )


def _metric_no_data(case: Case) -> Reason | None:
    empty = [row for row in case.thresholds if row.result == "NoData"]
    return Reason(code="NoData", message=f"threshold {empty[0].name}: {empty[0].message}") if empty else None


def _dropped_load(case: Case) -> Reason | None:
    for target, stage, windows in case.levels():
        series = pool(windows).series
        if series.dropped * 100 > DROPPED_LIMIT * series.offered:
            percent = show(series.dropped * 100 / series.offered, "percent")
            message = (
                f"stage {stage} ({target}): {percent} of {series.offered} arrivals were never sent; raise maxInFlight or lower the rate"
            )
            return Reason(code="DroppedLoad", message=message)
    return None


def _censored(case: Case) -> Reason | None:
    doubtful = [row for row in case.thresholds if row.result == "LowerBound"]
    if not doubtful:
        return None
    row = doubtful[0]
    message = f"threshold {row.name}: {row.metric} is at least {show(row.observed, row.unit)}; calls were cut off, use a longer stage"
    return Reason(code="Censored", message=message)


def _check_failed(name: str, code: str) -> Check:
    def failed(case: Case) -> Reason | None:
        row = next((row for row in case.checks if row.name == name and row.result == "Failed"), None)
        return None if row is None else Reason(code=code, message=row.message)

    return failed


def _check_inconclusive(case: Case) -> Reason | None:
    rows = [row for row in case.checks if row.result == "Inconclusive"]
    return Reason(code="CheckInconclusive", message="; ".join(f"{row.name}: {row.message}" for row in rows)) if rows else None


def _too_few_repeats(case: Case) -> Reason | None:
    message = too_few(case.plan)
    return Reason(code="TooFewRepeats", message=message) if message else None


def _passed(case: Case) -> str:
    n = len(case.thresholds)
    return f"all {n} thresholds hold" if n > 1 else "the threshold holds" if n else "measured; no thresholds are set"


_TRUSTED: Final[tuple[Check, ...]] = (_aborted, _lost_runner, _no_data, _generator_saturated, _lag_explains, _generator_error)
_BROKEN: Final[tuple[Check, ...]] = (
    _thresholds_failed,
    _check_failed("isolation", "IsolationBroken"),
    _check_failed("memoryGrowth", "MemoryGrows"),
    _check_failed("degradation", "Degrades"),
)
_ANSWERED: Final[tuple[Check, ...]] = (_metric_no_data, _dropped_load, _censored, _check_inconclusive, _too_few_repeats)
