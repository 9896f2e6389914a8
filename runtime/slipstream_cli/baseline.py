"""An earlier result as the baseline of a run, and what ends a run early: files and signals on one side, the judgement on the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from slipstream_loadtest.judged.alike import Baseline, unfit
from slipstream_loadtest.judged.live import aborts, reached
from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.merge import gather
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.measured.result import RESULT_VERSION, Result
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop


class NoBaseline(Exception):  # noqa: N818 - an answer, not a malfunction
    """Why a file can't be the baseline; the message says what to do."""


class _Stored(msgspec.Struct):
    """What a stored report holds besides its figures."""

    plan: Plan | None = None
    measured: Result | None = None


def read_baseline(file: Path) -> Baseline:
    """Plan and result of a report that `slipstream loadtest --report` has stored. Raises NoBaseline."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Stored)
    except OSError as error:
        raise NoBaseline(f"--baseline {file}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoBaseline(f"--baseline {file}: not a report of this version: {error}") from None
    if found.plan is None or found.measured is None or found.measured.version != RESULT_VERSION:
        raise NoBaseline(f"--baseline {file}: it holds no result of this version: store one with `slipstream loadtest --report`")
    return found.plan, found.measured


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
            so_far = gather(plan, parts, parts[0].run)
            reason = aborts(plan, so_far, reached(plan, so_far))
        except Unlike:  # half of a snapshot decides nothing; the end of the run tells
            return
        if reason is not None:
            stop.end(reason.message)

    return look
