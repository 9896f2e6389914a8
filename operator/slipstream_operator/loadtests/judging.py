"""The two questions that the operator puts to the judgement: is a bound broken that ends a run, and how is a run to be judged. Pure."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from typing import Final

from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan

Baseline = tuple[Plan, Result]
BROKEN: Final = "threshold "  # how the reason of an abort by a bound begins; the runners' parts give it back
_LIVE: Final = "slipstream_loadtest.judged.live"
_judge: Final[Callable[..., Verdict]] = judge
_TAKES_BASELINE: Final = "baseline" in inspect.signature(judge).parameters


def aborts(plan: Plan, result: Result, elapsed_ms: int) -> str:
    """Why the run should end now, in words; empty while it may go on. `elapsed_ms`: since the common start."""
    if not any(threshold.abort for threshold in plan.thresholds) or importlib.util.find_spec(_LIVE) is None:
        return ""
    reason = importlib.import_module(_LIVE).aborts(plan, result, elapsed_ms)
    return str(reason.message) if reason is not None else ""


def judged(plan: Plan, result: Result, baseline: Baseline | None) -> Verdict:
    """The verdict of a run, beside an earlier one where there is one to compare with."""
    return _judge(plan, result, baseline) if baseline is not None and _TAKES_BASELINE else _judge(plan, result)
