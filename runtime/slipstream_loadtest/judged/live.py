"""Whether a run should end now, since a threshold with `abort` is broken: a pure function of what there is so far. Ends nothing itself.

Whoever runs asks each second, with a merge of the parts so far, and hands the reason's message on as the reason of the abort: the run
drains, merges and reports as ever, and the verdict recognises what ended it.

An abort can't be taken back, so it needs more than a broken bound. Only Hold windows count, never a ramp; at least `delay` of the stage has
passed; and a quantile has ten samples beyond it (1,000 for a p99): with fewer one slow call decides it.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from slipstream_loadtest.judged.metrics import QUANTILES
from slipstream_loadtest.judged.reason import Reason
from slipstream_loadtest.judged.thresholds import judge_threshold
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show

BEYOND: Final = 10  # samples above a quantile, before an abort goes by it
ENOUGH: Final = 20  # samples of a mean or a share
STRETCHES: Final = 3  # the latest ones, looked at each second: earlier ones have been
_MARK: Final = "threshold "


def aborts(plan: Plan, result: Result, elapsed_ms: int) -> Reason | None:
    """Why the run should end now; None while it may go on. `elapsed_ms`: since the common start; `result`: merge of the parts so far."""
    phase = next((p for p in plan.phases if p.kind == "Hold" and p.start_ms <= elapsed_ms < p.end_ms), None)
    if phase is None or phase.target != plan.candidate:
        return None
    for threshold in plan.thresholds:
        if not threshold.abort or threshold.stage not in ("", phase.stage) or elapsed_ms - phase.start_ms < threshold.delay_ms:
            continue
        row = judge_threshold(plan, result, threshold, last=STRETCHES)
        if row.result == "Failed" and row.samples >= samples_needed(threshold.metric):
            found = f"{row.metric} is {show(row.observed, row.unit)}, {row.limit}"
            return Reason(code="ThresholdAborted", message=f"{_MARK}{threshold.name}: {found} ({row.samples} samples)")
    return None


def reached(plan: Plan, result: Result) -> int:
    """How far a run has come by what its parts say, in milliseconds since the common start."""
    return max((plan.phases[w.phase].start_ms + w.held_ms for w in result.windows if w.held_ms), default=0)


def samples_needed(metric: str) -> int:
    """So many before an abort goes by this metric."""
    family, _, name = metric.partition(".")
    if name == "max" or family in ("wrong", "target", "throughput"):
        return 1
    return ceil(BEYOND / (1 - QUANTILES[name])) if name in QUANTILES else ENOUGH


def ended_by(plan: Plan, aborted: str) -> Threshold | None:
    """The threshold that has ended a run, by what its parts say of their end."""
    return next((t for t in plan.thresholds if t.abort and aborted.startswith(f"{_MARK}{t.name}: ")), None)
