"""From the run's number to its common start: plan, Job, runners that get ready, each bounded in time. Pure."""

from __future__ import annotations

from slipstream_api.conditions import Reason
from slipstream_operator.loadtests.deciding.actions import Conclude, CreateJob, Decision, Start, StorePlan, Timings
from slipstream_operator.loadtests.deciding.readiness import because, obstacle, of_ended
from slipstream_operator.loadtests.facts import Facts, RunnerFacts


def starting(facts: Facts, now: float, timings: Timings) -> Decision:
    """The next step of a run that hasn't started."""
    late = facts.begun_at is not None and now > facts.begun_at + facts.terms.start_timeout
    if not facts.plan_stored or facts.job is None:
        if late:
            missing = "its Job" if facts.plan_stored else "its plan"
            return _give_up(f"{missing} couldn't be made within {facts.terms.start_timeout:.0f}s")
        create = (CreateJob(),) if facts.plan_stored else (StorePlan(), CreateJob())
        return Decision(create, "Starting", again=timings.poll)
    runners = [facts.runner(i) for i in range(facts.wanted)]
    lost = [r for r in runners if r is not None and r.over]
    ready = tuple(r for r in runners if r is not None and r.phase == "Ready")
    refused = _refused(facts, lost, timings)
    if refused:
        return Decision((Conclude("RunnerLost", refused, of_ended(lost[0]).reason),), "Concluding")
    borne = lost if facts.terms.loss_policy == "Continue" else []
    if len(ready) == facts.wanted - len(borne):
        return Decision((Start(ready, now + timings.start_lead),), "Running", again=timings.poll)
    hindered = obstacle(facts, now)
    message = f"{len(ready)} of {facts.wanted} runners are ready{hindered.words}"
    if late:
        return _give_up(f"{message} after {facts.terms.start_timeout:.0f}s", hindered.reason)
    return Decision((), "Starting", message=message, unready=hindered.reason, again=timings.poll)


def _refused(facts: Facts, lost: list[RunnerFacts], timings: Timings) -> str:
    """Why a start without these runners is none, empty where it can still come."""
    if not lost:
        return ""
    said = f"runner {lost[0].index} ended before the start{because(lost[0])}"
    match facts.terms.loss_policy:
        case "Replace":
            gone = [r for r in lost if facts.attempts(r.index) > timings.replacements]
            return f"{said}, and so did its {timings.replacements} replacements" if gone else ""
        case "Continue":
            return "" if facts.terms.bearable(len(lost)) and len(lost) < facts.wanted else said
        case _:
            return said


def _give_up(message: str, unready: Reason = Reason.SCHEDULING) -> Decision:
    return Decision((Conclude("RunnersNotReady", message, unready),), "Concluding")
