"""The two questions that the operator puts to the judgement: is a bound broken that ends a run, and how is a run to be judged. Pure."""

from __future__ import annotations

from typing import Final

from slipstream_loadtest.judged import live
from slipstream_loadtest.judged.alike import Baseline
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan

__all__ = ["BROKEN", "Baseline", "aborts"]

BROKEN: Final = "threshold "  # how the reason of an abort by a bound begins; the runners' parts give it back


def aborts(plan: Plan, result: Result, elapsed_ms: int) -> str:
    """Why the run should end now, in words; empty while it may go on. `elapsed_ms`: since the common start."""
    reason = live.aborts(plan, result, elapsed_ms)
    return reason.message if reason is not None else ""
