"""What a verdict says in words, and what it says without deciding by it. Pure; no result depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from slipstream_loadtest.judged.alike import notes
from slipstream_loadtest.judged.case import Case
from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.reason import Reason
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.measured.result import Known
from slipstream_loadtest.plan.units import show, show_change

Note = Callable[[Case], list[Reason]]


def broke(row: ThresholdRow) -> str:
    text = f"{row.name}: {row.metric} is {show(row.observed, row.unit)}, {row.limit}"
    return f"{text}; {row.message}, {row.broken_stretches} of {row.stretches} stretches" if row.window_ms else text


def regressed(row: ComparisonRow) -> str:
    figures = f"{show(row.baseline, row.unit)} to {show(row.candidate, row.unit)}"
    return f"{row.metric} in stage {row.stage}: {show_change(row.change)} ({figures})"


def lost(case: Case) -> Reason:
    """Which runners are missing, and how much load there was all the same."""
    result = case.result
    gone = ", ".join(map(str, result.lost[:5])) + (" …" if len(result.lost) > 5 else "")
    cut = f"; cut short: {', '.join(map(str, result.cut[:5]))}" if result.cut else ""
    offered = sum(step.offered for w in case.held() for step in w.steps)
    there = f"{result.runners - len(result.lost)} of {result.runners} runners reported (lost: {gone or 'none'}{cut})"
    known = "".join(f"; {done(one)}" for one in result.known[:5])
    return Reason(code="LostRunner", message=f"{there}; {offered} calls were offered, fewer than planned{known}")


def done(known: Known) -> str:
    """What a lost runner is known to have done: how much load there was besides."""
    ends = f"{known.completed} answered, {known.failed} failed" + (f", {known.dropped} dropped" if known.dropped else "")
    return f"runner {known.index} had offered {known.offered} calls by {show(known.until_ms, 'ms')} ({ends}), which are in no figure"


def _tolerated(case: Case) -> list[Reason]:
    return [lost(case)] if case.tolerated else []


def _reported(case: Case) -> list[Reason]:
    """Bounds and regressions with gate Report: said, and failing nothing."""
    found = []
    for row in case.thresholds:
        if not row.enforce and row.result == "Failed":
            by_lag = "; the runners' own lag could explain it" if row.explained else ""
            found.append(Reason(code="Reported", message=f"threshold {broke(row)}{by_lag}"))
        elif not row.enforce and row.result != "Passed":
            found.append(Reason(code="Reported", message=f"threshold {row.name}: {row.message or 'rests on calls that were cut off'}"))
    if not case.plan.comparison.enforce:
        found += [Reason(code="Reported", message=f"regressed: {regressed(row)}") for row in case.comparison if row.result == "Regressed"]
    return found


def _parts(case: Case) -> list[Reason]:
    """Parts that took no part: broken or unlike ones, those that another attempt replaced, those of other runs."""
    result = case.result
    found = [Reason(code="BrokenPart", message=f"{one.name}: {one.why}") for one in result.refused[:5]]
    if len(result.refused) > 5:
        found.append(Reason(code="BrokenPart", message=f"and {len(result.refused) - 5} more"))
    if result.superseded:
        found.append(Reason(code="LatePart", message=f"{result.superseded} parts of attempts that another one replaced weren't counted"))
    if result.foreign:
        found.append(Reason(code="LatePart", message=f"{result.foreign} parts of other runs weren't counted"))
    return found


def _baseline(case: Case) -> list[Reason]:
    if case.plan.comparison.baseline != "Stored":
        return []
    if case.baseline is None:
        return [Reason(code="NoBaseline", message="there is no earlier result to compare with; this one can be the next run's")]
    return [Reason(code="Baseline", message=notes(case.plan, case.baseline))]


NOTES: Final[tuple[Note, ...]] = (_reported, _tolerated, _parts, _baseline)
