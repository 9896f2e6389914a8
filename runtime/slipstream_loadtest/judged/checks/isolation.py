"""Does anybody get another session's data? Judged from the counts of the probes. Pure; sends nothing.

A crossing is proof and fails. Everything that only takes the proof of its absence away is Inconclusive: a control that wasn't caught,
probes without an answer, and answers without the session's own canary, which may be anybody's old answer.
"""

from __future__ import annotations

from typing import Final

from slipstream_loadtest.judged.checks.row import CheckRow, Control, Result
from slipstream_loadtest.measured import result as measured
from slipstream_loadtest.measured.part import IsolationPart
from slipstream_loadtest.plan.asked import Isolation

FAILED_LIMIT: Final = 5  # percent of the probes that may be without an answer
RULE_OF_THREE: Final = 3  # none in n: below 3/n at 95 % confidence (Hanley & Lippman-Hand 1983); -ln(0.05) = 2.996
_LIMIT: Final = "no answer with another session's data"


def judge_isolation(asked: Isolation, result: measured.Result) -> CheckRow:
    """The row of the check."""
    part = result.isolation
    if part is None or not part.probes:
        message = "no session was probed: the run ended before its end, or its runners know no such check"
        return CheckRow(name="isolation", result="Inconclusive", control="NotRun", limit=_LIMIT, message=message)
    control = _control(part)
    outcome, message = _outcome(asked, part, control)
    return CheckRow(
        name="isolation",
        result=outcome,
        control=control,
        observed=f"{part.crossings} crossings in {_answers(part)} answers of {part.sessions} sessions x {_each(part)} probes",
        limit=_LIMIT,
        detectable=detectable(_answers(part)),
        message=message,
    )


def detectable(answers: int) -> str:
    """The smallest rate of crossings that would have shown with 95 % confidence; nothing where there are too few answers for any."""
    if answers < RULE_OF_THREE:
        return ""
    return f"one crossing in {answers // RULE_OF_THREE} answers ({RULE_OF_THREE * 100 / answers:.2g}%), at 95% confidence"


def _answers(part: IsolationPart) -> int:
    return part.probes - part.failed


def _each(part: IsolationPart) -> int:
    return part.probes // part.sessions if part.sessions else 0


def _control(part: IsolationPart) -> Control:
    if not part.control_probes:
        return "NotRun"
    return "Caught" if part.control_crossings else "Missed"


def _outcome(asked: Isolation, part: IsolationPart, control: Control) -> tuple[Result, str]:
    if part.crossings:
        return "Failed", f"{part.crossings} answers held another session's data: {part.examples[0] if part.examples else 'see the report'}"
    if control == "NotRun":
        return "Inconclusive", "the control had no answers: the target didn't answer at the end of the run"
    if control == "Missed":
        return "Inconclusive", (
            "the control wasn't caught: answers name no session, so a foreign one looks like one's own; "
            "give checks.isolation.write and read, with ${canary} in write"
        )
    if part.failed * 100 > FAILED_LIMIT * part.probes:
        percent = part.failed * 100 / part.probes
        return "Inconclusive", f"{percent:.3g}% of {part.probes} probes had no answer that could be judged: look at the target's errors"
    if part.missing:
        return "Inconclusive", (
            f"{part.missing} answers lacked what their own session had just written: a write is lost, or an old answer is served; "
            "whose data an answer is can't be told then (is the read matched by an invalidation of the write?)"
        )
    if part.sessions < asked.sessions:
        return "Passed", f"{part.sessions} of {asked.sessions} sessions took part: a runner is lost"
    return "Passed", ""
