"""What to do next for one LoadTest: facts and `now` in, actions out. Pure: no clock, no I/O; safe to call twice with the same facts.

    no run ──key differs──▶ BeginRun ──▶ StorePlan ──▶ CreateJob ──▶ all Ready ──▶ Start ──▶ Collect ──▶ Conclude ──▶ tidy up
                                              │             │             │                     ▲
                                              └─ suspend: true / start timeout / lost runner ───┘

The run's number and key are in the status before the Job exists, so a restart between any two steps goes on with the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from slipstream_operator.loadtests.facts import Facts, Problem, RunnerFacts
from slipstream_operator.loadtests.runkey import run_key


@dataclass(frozen=True, slots=True)
class Timings:
    """Bounds in seconds; no stage of a run is without one."""

    start_timeout: float = 180.0  # from BeginRun until every runner is ready: image pull, scheduling, sidecar
    start_lead: float = 2.0  # how far ahead the common start lies, so that every runner has it in time
    grace: float = 30.0  # after the last stage, for draining and for handing over the parts
    abort_grace: float = 15.0  # after an abort, for draining and for handing over the parts
    poll: float = 1.0  # how often runners are asked while a run is in progress


DEFAULT_TIMINGS: Final = Timings()


@dataclass(frozen=True, slots=True)
class BeginRun:
    """Write the number and the key of a new run into the status; nothing exists before that."""

    run: int
    key: str


@dataclass(frozen=True, slots=True)
class StorePlan:
    """Make the plan's ConfigMap: the frozen copy of the spec that this run measures."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Make the Indexed Job; one that is there already is the same."""


@dataclass(frozen=True, slots=True)
class Start:
    """Tell these runners the common start, unix seconds."""

    runners: tuple[RunnerFacts, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Abort:
    """Tell these runners to drain and to hand over what they have."""

    runners: tuple[RunnerFacts, ...]


@dataclass(frozen=True, slots=True)
class Collect:
    """Fetch the parts of these runners: over HTTP, or out of their logs when they have ended."""

    runners: tuple[RunnerFacts, ...]


@dataclass(frozen=True, slots=True)
class Conclude:
    """Merge what was collected, judge, store the result, write the status. `cause` is empty for a run that ended by itself."""

    cause: Literal["", "Aborted", "NotStarted", "RunnersNotReady", "RunnerLost", "DeadlineExceeded"] = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell these runners that their part is safe, so that they end."""

    runners: tuple[RunnerFacts, ...]


@dataclass(frozen=True, slots=True)
class ExpireJob:
    """Let the Job be removed this long after it finished (`ttlSecondsAfterFinished`)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class RemoveJob:
    """Delete the Job and its pods: the second, harder end of an abort."""


Action = BeginRun | StorePlan | CreateJob | Start | Abort | Collect | Conclude | Acknowledge | ExpireJob | RemoveJob


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions in order, what to say in the status meanwhile, and when to look again (seconds; None: when something changes)."""

    actions: tuple[Action, ...] = ()
    stage: Literal["Idle", "Blocked", "Suspended", "Starting", "Running", "Concluding"] = "Idle"
    problem: Problem | None = None
    message: str = ""
    again: float | None = None


def decide(facts: Facts, now: float, timings: Timings = DEFAULT_TIMINGS) -> Decision:
    """The next step of a LoadTest. `now`: unix seconds, since starts and deadlines are shared between machines."""
    if not facts.test.key or facts.test.status.get("completionTime"):
        return _between_runs(facts, now, timings)
    if facts.result_stored:  # the status write got lost in a restart: conclude again from what is stored
        return Decision((Conclude(),), "Concluding")
    if facts.test.suspended or facts.abort_asked_at is not None:
        return _aborting(facts, now, timings)
    if facts.started_at is None:
        return _starting(facts, now, timings)
    return _running(facts, facts.started_at, now, timings)


def _between_runs(facts: Facts, now: float, timings: Timings) -> Decision:
    tidy = _tidy_up(facts, now, timings)
    again = timings.poll if tidy else None
    wanted = run_key(facts.test.spec)
    if wanted == facts.test.key:
        return Decision(tidy, "Idle", again=again)
    if facts.problem is not None:
        return Decision(tidy, "Blocked", facts.problem, again=30.0)
    if facts.test.suspended:
        return Decision(tidy, "Suspended", message="spec.suspend is true: set it to false to run", again=again)
    return Decision((*tidy, BeginRun(facts.test.run + 1, wanted)), "Starting", again=0.0)


def _tidy_up(facts: Facts, now: float, timings: Timings) -> tuple[Action, ...]:
    """After a run: its runners may go, and its Job when its time has come. The result is stored, so nothing here can lose it."""
    if facts.job is None or facts.job.deleting:
        return ()
    alive = tuple(r for r in facts.runners if not r.over)
    if alive:
        overdue = facts.started_at is None or now > facts.started_at + facts.duration + timings.grace
        if overdue and all(r.phase is None for r in alive):
            return (RemoveJob(),)  # never started or beyond reach: nothing to wait for
        return (Acknowledge(alive),)
    if facts.job.finished_at is None or facts.job.ttl_seconds is not None:
        return ()
    return (ExpireJob(max(0, int(facts.ttl_after_finished + now - facts.job.finished_at))),)


def _starting(facts: Facts, now: float, timings: Timings) -> Decision:
    if not facts.plan_stored:
        return Decision((StorePlan(), CreateJob()), "Starting", again=timings.poll)
    if facts.job is None:
        return Decision((CreateJob(),), "Starting", again=timings.poll)
    runners = [facts.runner(i) for i in range(facts.wanted)]
    lost = next((r for r in runners if r is not None and r.over), None)
    if lost is not None:
        return _conclude("RunnerLost", f"runner {lost.index} ended before the start{_because(lost)}")
    ready = tuple(r for r in runners if r is not None and r.phase == "Ready")
    if len(ready) == facts.wanted:
        return Decision((Start(ready, now + timings.start_lead),), "Running", again=timings.poll)
    waiting = next((r for r in runners if r is None or r.phase != "Ready"), None)
    message = f"{len(ready)} of {facts.wanted} runners are ready{_because(waiting)}"
    if facts.begun_at is not None and now > facts.begun_at + timings.start_timeout:
        return _conclude("RunnersNotReady", f"{message} after {timings.start_timeout:.0f}s")
    return Decision((), "Starting", message=message, again=timings.poll)


def _running(facts: Facts, started_at: float, now: float, timings: Timings) -> Decision:
    untold = tuple(r for r in facts.runners if r.phase == "Ready" and r.start_at is None)
    done = tuple(r for r in _youngest(facts) if r.index not in facts.parts and (r.over or r.phase in ("Done", "Aborted")))
    actions: tuple[Action, ...] = ()
    if untold:  # a restart between two of the start commands: the same instant for the rest
        actions += (Start(untold, started_at),)
    if done:
        actions += (Collect(done),)
    missing = facts.missing()
    if not missing:
        return Decision((Conclude(),), "Concluding")
    if set(missing) <= facts.beyond_reach():
        return _conclude("RunnerLost", _lost_message(facts))
    if now > started_at + facts.duration + timings.grace:
        return _conclude(
            "DeadlineExceeded", f"no part from runner {', '.join(map(str, missing))} {timings.grace:.0f}s after the last stage"
        )
    return Decision(actions, "Running", again=timings.poll)


def _aborting(facts: Facts, now: float, timings: Timings) -> Decision:
    because = "spec.suspend was set to true"
    if facts.started_at is None or facts.job is None:
        return Decision((Conclude("Aborted", f"{because} before the start"), *((RemoveJob(),) if facts.job else ())), "Concluding")
    tell = tuple(r for r in _youngest(facts) if r.phase in ("Ready", "Running"))
    done = tuple(r for r in _youngest(facts) if r.index not in facts.parts and (r.over or r.phase in ("Done", "Aborted")))
    missing = set(facts.missing())
    since = facts.abort_asked_at if facts.abort_asked_at is not None else now
    if missing <= facts.beyond_reach() or now > since + timings.abort_grace:
        return Decision((Conclude("Aborted", f"{because}; {facts.wanted - len(missing)} of {facts.wanted} parts"),), "Concluding")
    actions: tuple[Action, ...] = ((Abort(tell),) if tell else ()) + ((Collect(done),) if done else ())
    return Decision(actions, "Running", message="aborting", again=timings.poll)


def _conclude(cause: Literal["RunnersNotReady", "RunnerLost", "DeadlineExceeded"], message: str) -> Decision:
    return Decision((Conclude(cause, message),), "Concluding")


def _youngest(facts: Facts) -> tuple[RunnerFacts, ...]:
    return tuple(r for i in range(facts.wanted) if (r := facts.runner(i)) is not None)


def _lost_message(facts: Facts) -> str:
    lost = sorted(facts.beyond_reach())
    whys = [f"runner {i}{_because(facts.runner(i))}" if facts.runner(i) else f"runner {i} (its pod is gone)" for i in lost]
    return f"{len(lost)} of {facts.wanted} runners lost: {'; '.join(whys)}"


def _because(runner: RunnerFacts | None) -> str:
    return f" ({runner.trouble})" if runner is not None and runner.trouble else ""
