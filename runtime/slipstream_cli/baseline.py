"""An earlier result as the baseline of a run, and what ends a run early: files and signals on one side, the judgement on the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slipstream_loadtest.judged.alike import Baseline, unfit
from slipstream_loadtest.judged.live import aborts, reached
from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.report.against import Unlike as NoComparison
from slipstream_loadtest.report.against import whole
from slipstream_loadtest.report.document import NoReport, read_report
from slipstream_loadtest.runner.local import Stop


class NoBaseline(Exception):  # noqa: N818 - an answer, not a malfunction
    """Why a file can't be the baseline; the message says what to do."""


def read_baseline(file: Path) -> Baseline:
    """Plan and result of a report that `slipstream loadtest --report` has stored. Raises NoBaseline."""
    try:
        return whole(read_report(file.read_bytes()), "the report")
    except OSError as error:
        raise NoBaseline(f"--baseline {file}: {error.strerror}") from None
    except (NoReport, NoComparison) as error:
        raise NoBaseline(f"--baseline {file}: {error}: store one with `slipstream loadtest --report`") from None


def fit(plan: Plan, baseline: Baseline | None) -> Baseline | None:
    """The baseline, if a run of this plan can be compared with it; told before the run, not after it. Raises NoBaseline."""
    if baseline is None:
        return None
    if plan.comparison.baseline != "Stored":
        raise NoBaseline("--baseline: the test doesn't ask for one: set spec.comparison.baseline to LastPassed")
    if why := unfit(plan, baseline):
        raise NoBaseline(f"--baseline: {why}")
    return baseline


def watch(plan: Plan, stop: Stop) -> Callable[[list[Part]], None] | None:
    """Ends the run when a threshold with `abort` is broken by what all runners have measured so far; None where none has it."""
    if not any(threshold.abort for threshold in plan.thresholds):
        return None

    def look(parts: list[Part]) -> None:
        if not parts or stop.is_set():
            return
        try:
            so_far = merge(plan, parts)
            reason = aborts(plan, so_far, reached(plan, so_far))
        except Unlike:  # half of a snapshot decides nothing; the end of the run tells
            return
        if reason is not None:
            stop.end(reason.message)

    return look
