"""A report as JUnit XML: a test case a threshold, a compared metric and a check, and one for the measurement as such. Pure.

Failed: a failure. Could not be measured: the case is skipped, and the case `measurement` says whether the run as such can be trusted. It
fails where the run is Inconclusive or the verdict is one that no row explains, so that no consumer shows green for what wasn't measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.judged.verdict import CheckRow
from slipstream_loadtest.plan.units import show, show_change
from slipstream_loadtest.report.escape import clean, esc
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.report.text import interval, scope


@dataclass(frozen=True, slots=True)
class Case:
    """`message`: why it isn't a pass; `said`: the figures, also of a pass."""

    suite: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    kind: str = ""
    said: str = ""


def as_junit(report: Report) -> str:
    """An XML document for GitHub, GitLab, Jenkins and others that read the format of Ant's JUnit task."""
    cases = cases_of(report)
    suites = dict.fromkeys(case.suite for case in cases)
    inner = "".join(_suite(report, suite, [case for case in cases if case.suite == suite]) for suite in suites)
    name = esc(f"{report.namespace}/{report.name}")
    head = f'<testsuites name="{name}" {_counts(cases)} errors="0" time="{_seconds(report)}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{inner}</testsuites>\n'


def cases_of(report: Report) -> list[Case]:
    """In the order of the report."""
    cases = [_threshold(row) for row in report.thresholds]
    gate = report.plan is not None and report.plan.comparison.enforce
    cases += [_compared(row, gate) for row in report.comparison]
    cases += [_checked(row) for row in report.checks]
    return [_measurement(report, cases), *cases]


def _measurement(report: Report, cases: list[Case]) -> Case:
    """Whether the run can be trusted at all, and whether some row says why it failed."""
    said = "\n".join(f"{reason.code}: {reason.message}" for reason in report.reasons)
    explained = report.result == "Passed" or (report.result == "Failed" and any(case.outcome == "failed" for case in cases))
    if explained:
        return Case("measurement", "measurement", "passed", said=said)
    first = report.reasons[0]
    return Case("measurement", "measurement", "failed", f"{report.result}: {first.message}", first.code, said)


def _threshold(row: ThresholdRow) -> Case:
    name = f"{row.name}: {row.metric} {row.limit}" + (f" ({scope(row)})" if scope(row) != "all" else "")
    said = f"observed {show(row.observed, row.unit)}, {row.limit}, {row.samples} samples"
    if row.result == "Passed":
        return Case("thresholds", name, "passed", said=said)
    if row.result == "Failed":
        return Case("thresholds", name, "failed" if row.enforce else "skipped", f"{row.metric} is {said}", "Failed", said)
    return Case("thresholds", name, "skipped", row.message or f"{row.result}: {said}", row.result, said)


def _compared(row: ComparisonRow, gate: bool) -> Case:
    figures = f"{show(row.baseline, row.unit)} to {show(row.candidate, row.unit)}, {show_change(row.change)} ({interval(row)})"
    said = f"{row.result}: {figures}, {row.repeats} repeats" + (f"; {row.message}" if row.message else "")
    name = f"{row.metric} ({row.stage})"
    if row.result in ("Improved", "NoChange"):
        return Case("comparison", name, "passed", said=said)
    failed = row.result == "Regressed" and gate
    return Case("comparison", name, "failed" if failed else "skipped", said, row.result, said)


def _checked(row: CheckRow) -> Case:
    said = "; ".join(
        filter(None, (row.observed, row.limit, f"could find {row.detectable}" if row.detectable else "", f"control {row.control}"))
    )
    if row.result == "Passed":
        return Case("checks", row.name, "passed", said=said)
    return Case("checks", row.name, "failed" if row.result == "Failed" else "skipped", row.message or said, row.result, said)


def _suite(report: Report, name: str, cases: list[Case]) -> str:
    stamp = f' timestamp="{esc(report.finished_at.removesuffix("Z"))}"' if report.finished_at else ""  # its schema allows no zone
    inner = "".join(_case(report, case) for case in cases)
    facts = {"planHash": report.plan_hash, "seed": report.seed, "run": report.run, "slipstream": report.versions.slipstream}
    known = "".join(f'<property name="{fact}" value="{_attribute(value)}"/>' for fact, value in facts.items())
    time = _seconds(report) if name == "measurement" else "0"
    head = f'<testsuite name="{esc(name)}" {_counts(cases)} errors="0" time="{time}"{stamp}>'
    return f"{head}<properties>{known}</properties>\n{inner}</testsuite>\n"


def _case(report: Report, case: Case) -> str:
    classname = _attribute(f"{report.namespace}.{report.name}.{case.suite}")
    time = _seconds(report) if case.suite == "measurement" else "0"
    inner = ""
    if case.outcome == "failed":
        inner = f'<failure message="{_attribute(case.message)}" type="{_attribute(case.kind)}">{esc(case.said)}</failure>'
    elif case.outcome == "skipped":
        inner = f'<skipped message="{_attribute(case.message)}"/>'
    out = f"<system-out>{esc(case.said)}</system-out>" if case.said else ""
    return f'<testcase classname="{classname}" name="{_attribute(case.name)}" time="{time}">{inner}{out}</testcase>\n'


def _counts(cases: list[Case]) -> str:
    failed, skipped = (sum(case.outcome == outcome for case in cases) for outcome in ("failed", "skipped"))
    return f'tests="{len(cases)}" failures="{failed}" skipped="{skipped}"'


def _seconds(report: Report) -> str:
    """What the phases have taken; consumers want a number everywhere."""
    return f"{sum(phase.held_ms for phase in report.phases) / 1000:g}"


def _attribute(value: object) -> str:
    """On one line: parsers turn line breaks of attributes into blanks anyway."""
    return esc(" ".join(clean(value).split()))
