"""Makes a report fit into so many bytes by leaving out what is needed least, and says what. Pure; changes no figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.report.model import Report

CONFIG_MAP_BYTES: Final = 900_000  # a ConfigMap holds 1 MiB in all; the operator, which stores more beside the report, gives less


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON values: dicts, lists, numbers, texts."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    return document


def size(report: Report) -> int:
    """Bytes of the compact document, written as ASCII."""
    return len(json.dumps(plain(report), separators=(",", ":")))


def fitted(report: Report, max_bytes: int) -> Report:
    """The report, or one without the first of these that it takes; figures of stages and the verdict always stay. Without `plan.data` or
    `measured` a report can't be a baseline any more, so these go late."""
    for name, without in _OMISSIONS:
        if size(report) <= max_bytes:
            break
        report = replace(without(report), omitted=(*report.omitted, name))
    return report


def completed(report: Report, measured: Result | None, plan: Plan | None) -> Report:
    """The report with what is stored beside it, where it lacks that itself; `omitted` says what is still missing."""
    if plan is not None and (report.plan is None or PLAN_DATA in report.omitted):
        report = replace(report, plan=plan, omitted=tuple(name for name in report.omitted if name not in ("plan", PLAN_DATA)))
    if measured is not None and report.measured is None:
        named = [name for name in report.omitted if name != "measured" and name not in _LEAN]
        report = replace(report, measured=measured, omitted=(*_LEAN, *named))
    return report


def _measured(report: Report, change: Callable[[Result], Result]) -> Report:
    return report if report.measured is None else replace(report, measured=change(report.measured))


def _each_step(change: Callable[[SeriesPart], SeriesPart]) -> Callable[[Report], Report]:
    def of(result: Result) -> Result:
        windows = (replace(window, steps=tuple(map(change, window.steps))) for window in result.windows)
        return replace(result, windows=tuple(windows))

    return lambda report: _measured(report, of)


def _judged_only(report: Report) -> Report:
    """Phases that aren't judged keep their figures in `phases`."""
    return _measured(report, lambda result: replace(result, windows=tuple(w for w in result.windows if w.judged)))


def _without_plan_data(report: Report) -> Report:
    return report if report.plan is None else replace(report, plan=replace(report.plan, data=()))


def _without_steps(report: Report) -> Report:
    return replace(report, stages=tuple(replace(stage, steps=(), repeat_values=()) for stage in report.stages))


PLAN_DATA: Final = "plan.data"
_LEAN: Final = ("measured.windows.steps.slices", "measured.windows.steps.timings", "measured.windows that are not judged")
_OMISSIONS: Final[tuple[tuple[str, Callable[[Report], Report]], ...]] = (
    (_LEAN[0], _each_step(lambda step: replace(step, slices=()))),
    (_LEAN[1], _each_step(lambda step: replace(step, timings=None))),
    (_LEAN[2], _judged_only),
    (PLAN_DATA, _without_plan_data),
    ("measured", lambda report: replace(report, measured=None)),
    ("plan", lambda report: replace(report, plan=None)),
    ("stages.steps and stages.repeatValues", _without_steps),
    ("phases", lambda report: replace(report, phases=())),
)
