"""Two stored reports held against each other: refused where they measured different loads, else judged as one comparison. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from slipstream_loadtest.judged.comparison import ComparisonRow, compare
from slipstream_loadtest.measured.result import Result, Window
from slipstream_loadtest.plan.model import Plan, Target, TargetName
from slipstream_loadtest.report.model import Report

MAX_DIFFERENCES: Final = 5
Baseline = tuple[Plan, Result]


class Unlike(ValueError):  # noqa: N818 - names what they are
    """Two reports that can't be compared; the message says what differs."""


def against(candidate: Report, baseline: Report) -> tuple[ComparisonRow, ...]:
    """Each metric of each stage, the baseline's repeats against the candidate's. Raises Unlike."""
    plan, result = _whole(candidate, "the second report")
    other = _whole(baseline, "the first report")
    different = list(differences(other[0], plan))
    if different:
        more = f" and {len(different) - MAX_DIFFERENCES} more" if len(different) > MAX_DIFFERENCES else ""
        raise Unlike(f"they measured different loads: {'; '.join(different[:MAX_DIFFERENCES])}{more}")
    return compare_stored(plan, result, other)


def compare_stored(plan: Plan, result: Result, baseline: Baseline) -> tuple[ComparisonRow, ...]:
    """The comparison of one run over two targets, with the earlier run in the place of the direct way."""
    windows = (*_as(baseline[1], baseline[0].candidate, "Direct"), *_as(result, plan.candidate, "Layers"))
    repeats = max(len({w.repeat for w in windows if w.target == target}) for target in ("Direct", "Layers"))
    asked = replace(plan.comparison, baseline="Direct", repeats=repeats)
    both = replace(plan, targets=(Target(name="Direct"), Target(name="Layers")), comparison=asked)
    return compare(both, replace(result, windows=windows))


def differences(before: Plan, after: Plan) -> Iterator[str]:
    """Each field in which the loads differ. Names, seeds, runners, thresholds and addresses of targets may differ."""
    yield from _between("", msgspec.to_builtins(_load(before)), msgspec.to_builtins(_load(after)))


def _load(plan: Plan) -> dict[str, Any]:
    held = [phase for phase in plan.phases if phase.target == plan.candidate]
    return {
        "target": plan.candidate,
        "stages": {stage.name: stage for stage in plan.stages},
        "scenarios": {scenario.name: scenario for scenario in plan.scenarios},
        "data": {one.name: one for one in plan.data},
        "connections": plan.connections,
        "timeoutMs": plan.timeout_ms,
        "warmupMs": next((phase.duration_ms for phase in held if phase.kind == "WarmUp"), 0),
    }


def _between(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _between(f"{path}.{name}" if path else name, before.get(name), after.get(name))
    elif before != after:
        yield f"{path} was {_short(before)}, is {_short(after)}"


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _whole(report: Report, which: str) -> Baseline:
    if report.plan is None or report.measured is None:
        raise Unlike(f"{which} doesn't hold what was measured ({', '.join(report.omitted)}); store one with --report")
    if "plan.data" in report.omitted:
        raise Unlike(f"{which} doesn't hold the data of its plan, its size was bounded: nobody can tell whether the load was the same")
    if report.measured.aborted or report.measured.lost:
        how = f"ended early ({report.measured.aborted})" if report.measured.aborted else f"lost runners {report.measured.lost}"
        raise Unlike(f"{which} {how}: take another one")
    return report.plan, report.measured


def _as(result: Result, target: TargetName, name: TargetName) -> tuple[Window, ...]:
    return tuple(replace(window, target=name) for window in result.windows if window.judged and window.target == target)
