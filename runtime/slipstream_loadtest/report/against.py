"""Two stored reports held against each other: refused where they measured different loads, else judged as one comparison. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from slipstream_loadtest.judged.alike import Baseline, unlike
from slipstream_loadtest.judged.comparison import ComparisonRow, compare
from slipstream_loadtest.report.model import Report


class Unlike(ValueError):  # noqa: N818 - names what they are
    """Two reports that can't be compared; the message says what differs."""


def against(candidate: Report, baseline: Report) -> tuple[ComparisonRow, ...]:
    """Each metric of each stage, the baseline's repeats against the candidate's. Raises Unlike."""
    plan, result = whole(candidate, "the second report")
    other = whole(baseline, "the first report")
    if different := unlike(plan, other[0]):
        raise Unlike(f"they measured different loads: {different}")
    return compare(replace(plan, comparison=replace(plan.comparison, baseline="Stored")), result, other)


def whole(report: Report, which: str) -> Baseline:
    """Plan and result of a report that another run can be compared with. Raises Unlike with what is missing; `which`: how to call it."""
    if report.plan is None or report.measured is None:
        raise Unlike(f"{which} doesn't hold what was measured ({', '.join(report.omitted)}); store one with --report")
    if "plan.data" in report.omitted:
        raise Unlike(f"{which} doesn't hold the data of its plan, its size was bounded: nobody can tell whether the load was the same")
    if report.measured.aborted or report.measured.lost:
        how = f"ended early ({report.measured.aborted})" if report.measured.aborted else f"lost runners {report.measured.lost}"
        raise Unlike(f"{which} {how}: take another one")
    if any(reason.code == "PoliciesChanged" for reason in report.reasons):
        raise Unlike(f"{which} measured more than one set of policies: take another one")
    return report.plan, report.measured
