"""From the common start to the last part: collect, bear or refuse losses, end early when told to; each bounded in time. Pure."""

from __future__ import annotations

from slipstream_operator.loadtests.deciding.actions import (
    Abort,
    Action,
    Collect,
    Conclude,
    Decision,
    RemoveJob,
    Start,
    Timings,
)
from slipstream_operator.loadtests.deciding.readiness import because, obstacle
from slipstream_operator.loadtests.facts import Facts, RunnerFacts
from slipstream_operator.loadtests.judging import BROKEN

LOST = "runners lost"


def running(facts: Facts, started_at: float, now: float, timings: Timings) -> Decision:
    """The next step of a run that has started."""
    missing = set(facts.missing())
    lost = _lost(facts, started_at, now, timings)
    bearable = facts.terms.bearable(len(lost))
    if not missing:
        return Decision((Conclude(),), "Concluding")
    if missing <= lost:
        return _without(facts, lost, bearable and len(lost) < facts.wanted)
    if lost and not bearable:  # what is left measures less than was asked for: it ends, and is kept
        return _ending(facts, _lost_message(facts, lost), now, timings)
    if now > started_at + facts.duration + timings.grace:
        if facts.terms.bearable(len(missing)) and len(missing) < facts.wanted:
            return Decision((Conclude(),), "Concluding")
        which = ", ".join(map(str, sorted(missing)))
        message = f"no part from runner {which} {timings.grace:.0f}s after the last stage"
        return Decision((Conclude("DeadlineExceeded", message),), "Concluding")
    actions: tuple[Action, ...] = ()
    untold = tuple(r for r in facts.runners if r.phase == "Ready" and r.start_at is None)
    if untold and now <= started_at + timings.late:  # a restart between two of the start commands: the same instant for the rest
        actions += (Start(untold, started_at),)
    done = _done(facts)
    if done:
        actions += (Collect(done),)
    return Decision(actions, "Running", again=timings.poll)


def aborting(facts: Facts, reason: str, now: float, timings: Timings) -> Decision:
    """The next step of a run that is being ended early."""
    if facts.started_at is None or facts.job is None:
        return Decision(
            (Conclude("Aborted", f"{reason} before the start", obstacle(facts, now).reason), *((RemoveJob(),) if facts.job else ())),
            "Concluding",
        )
    missing = set(facts.missing())
    since = facts.abort_asked_at if facts.abort_asked_at is not None else now
    if missing <= facts.beyond_reach() or now > since + timings.abort_grace:
        if reason.startswith(BROKEN):  # the verdict finds in the parts what ended them, and judges it
            return Decision((Conclude(),), "Concluding")
        message = f"{reason}; {facts.wanted - len(missing)} of {facts.wanted} parts"
        end = Conclude("RunnerLost", reason) if LOST in reason else Conclude("Aborted", message)
        return Decision((end,), "Concluding")
    return _ending(facts, reason, now, timings)


def _ending(facts: Facts, reason: str, now: float, timings: Timings) -> Decision:
    tell = tuple(r for r in youngest(facts) if r.phase in ("Ready", "Running"))
    done = _done(facts)
    actions: tuple[Action, ...] = ((Abort(tell, reason),) if tell else ()) + ((Collect(done),) if done else ())
    return Decision(actions, "Running", message=f"aborting: {reason}", again=timings.poll, abort=reason)


def _lost(facts: Facts, started_at: float, now: float, timings: Timings) -> set[int]:
    """Beyond reach, or too late to measure the same time as the others (a pod that replaced another after the start)."""
    late = now > started_at + timings.late
    idle = {r.index for r in youngest(facts) if late and r.start_at is None and r.phase in ("Preparing", "Ready")}
    return (set(facts.beyond_reach()) | idle) & set(facts.missing())


def _without(facts: Facts, lost: set[int], bearable: bool) -> Decision:
    end = Conclude() if bearable else Conclude("RunnerLost", _lost_message(facts, lost))
    return Decision((end,), "Concluding")


def _done(facts: Facts) -> tuple[RunnerFacts, ...]:
    """Whose part is there to be fetched; one that is known to have left none isn't asked again."""
    return tuple(
        r
        for r in youngest(facts)
        if r.index not in facts.parts and r.index not in facts.lost and (r.over or r.phase in ("Done", "Aborted"))
    )


def youngest(facts: Facts) -> tuple[RunnerFacts, ...]:
    """The last attempt of each index."""
    return tuple(r for i in range(facts.wanted) if (r := facts.runner(i)) is not None)


def _lost_message(facts: Facts, lost: set[int]) -> str:
    whys = [f"runner {i}{because(facts.runner(i))}" if facts.runner(i) else f"runner {i} (its pod is gone)" for i in sorted(lost)]
    return f"{len(lost)} of {facts.wanted} {LOST}: {'; '.join(whys)}"
