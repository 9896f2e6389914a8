"""Passed, Failed or Inconclusive, from the merge alone: a chain of named checks, each with a reason and a message. Pure.

    can the measurement be trusted?  Aborted · LostRunner · NoData · StartSkew · GeneratorSaturated · GeneratorError   ─no─▶ Inconclusive
    is a bound broken?               ThresholdsFailed · Regressed · IsolationBroken · MemoryGrows · Degrades         ─yes─▶ Failed
    is everything asked answered?    NoData · DroppedLoad · Censored · TooFewRepeats · BaselineUnlike ·
                                     ComparisonInconclusive · CheckInconclusive                                        ─no─▶ Inconclusive
                                                                                                                       ────▶ Passed
    what decides nothing is said     Reported · LostRunner (as many as may be) · BrokenPart · LatePart · Baseline · NoBaseline
"Could not measure" is not "bad", and no data is never a pass. Dropped and censored load only ever flatter a target, so they take a pass
away but never a failure. A run that a threshold has ended is Failed: what ended it was a broken bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from slipstream_loadtest.judged.alike import Baseline, few, unfit, unlike
from slipstream_loadtest.judged.case import Case
from slipstream_loadtest.judged.checks import CheckRow, judge_checks
from slipstream_loadtest.judged.comparison import ComparisonRow, compare
from slipstream_loadtest.judged.metrics import METRICS, pool
from slipstream_loadtest.judged.reason import Reason
from slipstream_loadtest.judged.said import NOTES, broke, lost, regressed
from slipstream_loadtest.judged.saturation import saturation, skew
from slipstream_loadtest.judged.thresholds import ThresholdRow, judge_thresholds
from slipstream_loadtest.measured.result import Result, ResultPart
from slipstream_loadtest.measured.tally import GENERATOR_ERRORS
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show

__all__ = ["CheckRow", "Reason", "Verdict", "judge"]

DROPPED_LIMIT: Final = 0.1  # percent of the offered load

Outcome = Literal["Passed", "Failed", "Inconclusive"]


class Verdict(ResultPart, frozen=True, kw_only=True):
    """The judgement of a run. `reasons`: every check that spoke, the deciding one first; of a passed run there is one, Passed."""

    result: Outcome
    reasons: tuple[Reason, ...]
    thresholds: tuple[ThresholdRow, ...] = ()
    comparison: tuple[ComparisonRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()


Check = Callable[[Case], Reason | None]


def judge(plan: Plan, result: Result, baseline: Baseline | None = None) -> Verdict:
    """The verdict of a run. `baseline`: the earlier run that a Stored comparison is with, if there is one."""
    compared, checks = compare(plan, result, baseline), judge_checks(plan, result)
    case = Case(plan, result, judge_thresholds(plan, result), compared, baseline, checks)
    groups = [[r for check in group if (r := check(case)) is not None] for group in (_TRUSTED, _BROKEN, _ANSWERED)]
    outcomes: tuple[Outcome, ...] = ("Inconclusive", "Failed", "Inconclusive")
    decided: Outcome = next((outcome for outcome, reasons in zip(outcomes, groups, strict=True) if reasons), "Passed")
    reasons = tuple(reason for group in groups for reason in group) or (Reason(code="Passed", message=_passed(case)),)
    said = tuple(reason for note in NOTES for reason in note(case))
    return Verdict(result=decided, reasons=(*reasons, *said), thresholds=case.thresholds, comparison=case.comparison, checks=case.checks)


def _aborted(case: Case) -> Reason | None:
    if not case.result.aborted or case.tolerated or (case.ended_by is not None and case.ended_by.enforce):
        return None
    return Reason(code="Aborted", message=f"ended early: {case.result.aborted}")


def _lost_runner(case: Case) -> Reason | None:
    return lost(case) if case.result.lost and not case.tolerated else None


def _start_skew(case: Case) -> Reason | None:
    why = skew(case.plan, case.result)
    return Reason(code="StartSkew", message=why) if why else None


def _no_data(case: Case) -> Reason | None:
    """Every level of load must have offered something; answers are the thresholds' business."""
    if case.ended_by is not None:  # stages that the run never came to have nothing, and the broken bound stands without them
        return None
    for target, stage, windows in case.levels():
        if any(not step_total for step_total in (sum(s.offered for s in w.steps) for w in windows)):
            return Reason(code="NoData", message=f"stage {stage} ({target}) offered nothing: there is no measurement of it")
    return None if case.levels() else Reason(code="NoData", message="no stage was measured")


def _generator_saturated(case: Case) -> Reason | None:
    for target, stage, windows in case.levels():
        if why := saturation(windows, _tightest(case.plan, stage)):
            return Reason(code="GeneratorSaturated", message=f"stage {stage} ({target}): {why}; use more runners, more CPU or less load")
    return None


def _tightest(plan: Plan, stage: str) -> float | None:
    """The smallest upper bound on a latency of a stage, in ms."""
    times = [t.max for t in plan.thresholds if t.max is not None and t.stage in ("", stage) and METRICS[t.metric].unit == "ms"]
    return min(times, default=None)


def _lag_explains(case: Case) -> Reason | None:
    """A broken bound that would hold without the generator's own lag says nothing about the target."""
    for row in case.thresholds:
        if row.enforce and row.explained:
            message = f"threshold {row.name}: {row.metric} is {show(row.observed, row.unit)}, of which the runners' own lag may be"
            if row.metric == "throughput":
                message = f"threshold {row.name}: throughput is {show(row.observed, row.unit)}, and the runners' own lag may have cost"
            return Reason(
                code="GeneratorSaturated", message=f"{message} {show(row.lag, row.unit)}; use more runners, more CPU or less load"
            )
    return None


def _generator_error(case: Case) -> Reason | None:
    own = sum(n for w in case.held() for s in w.steps for kind, n in s.errors.items() if kind in GENERATOR_ERRORS)
    if not own:
        return None
    return Reason(
        code="GeneratorError", message=f"{own} calls failed for want of local ports or descriptors: use more runners or fewer users"
    )


def _thresholds_failed(case: Case) -> Reason | None:
    broken = [row for row in case.thresholds if row.result == "Failed" and row.enforce]
    if case.ended_by is not None and case.ended_by.enforce:
        return Reason(code="ThresholdsFailed", message=f"{case.result.aborted}; it ended the run")
    if not broken:
        return None
    more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return Reason(code="ThresholdsFailed", message=broke(broken[0]) + more)


def _regressed(case: Case) -> Reason | None:
    worse = [row for row in case.comparison if row.result == "Regressed"]
    if not worse or not case.plan.comparison.enforce:
        return None
    more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
    return Reason(code="Regressed", message=regressed(worse[0]) + more)


def _check_failed(name: str, code: str) -> Check:
    def failed(case: Case) -> Reason | None:
        row = next((row for row in case.checks if row.name == name and row.result == "Failed"), None)
        return None if row is None else Reason(code=code, message=row.message or row.observed)

    return failed


def _metric_no_data(case: Case) -> Reason | None:
    empty = [row for row in case.thresholds if row.result == "NoData" and row.enforce]
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
    doubtful = [row for row in case.thresholds if row.result == "LowerBound" and row.enforce]
    if not doubtful:
        return None
    row = doubtful[0]
    message = f"threshold {row.name}: {row.metric} is at least {show(row.observed, row.unit)}; calls were cut off, use a longer stage"
    return Reason(code="Censored", message=message)


def _check_inconclusive(case: Case) -> Reason | None:
    rows = [row for row in case.checks if row.result == "Inconclusive"]
    return Reason(code="CheckInconclusive", message="; ".join(f"{row.name}: {row.message}" for row in rows)) if rows else None


def _too_few_repeats(case: Case) -> Reason | None:
    """Of this run, or of the one that it is compared with: both can be told before anybody looks at a figure."""
    other = case.baseline[0] if case.baseline is not None and not unlike(case.plan, case.baseline[0]) else None
    message = few(case.plan, other)
    return Reason(code="TooFewRepeats", message=message) if message else None


def _not_compared(case: Case) -> Reason | None:
    """With gate Enforce a comparison that couldn't be made takes a pass away. No baseline at all doesn't: somebody has to be the first."""
    if not case.plan.comparison.enforce or few(case.plan):
        return None
    if case.baseline is not None and (why := unfit(case.plan, case.baseline)):
        return Reason(code="BaselineUnlike", message=why)
    doubtful = [row for row in case.comparison if row.result == "Inconclusive"]
    if not doubtful:
        return None
    return Reason(code="ComparisonInconclusive", message=f"{doubtful[0].metric} in stage {doubtful[0].stage}: {doubtful[0].message}")


def _passed(case: Case) -> str:
    rows = [row for row in case.thresholds if row.enforce]
    n = len(rows)
    return f"all {n} thresholds hold" if n > 1 else "the threshold holds" if n else "measured; no thresholds are set"


_TRUSTED: Final[tuple[Check, ...]] = (
    _aborted,
    _lost_runner,
    _no_data,
    _start_skew,
    _generator_saturated,
    _lag_explains,
    _generator_error,
)
_BROKEN: Final[tuple[Check, ...]] = (
    _thresholds_failed,
    _regressed,
    _check_failed("isolation", "IsolationBroken"),
    _check_failed("memoryGrowth", "MemoryGrows"),
    _check_failed("degradation", "Degrades"),
)
_ANSWERED: Final[tuple[Check, ...]] = (
    _metric_no_data,
    _dropped_load,
    _censored,
    _too_few_repeats,
    _not_compared,
    _check_inconclusive,
)
