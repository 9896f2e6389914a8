"""What to do next for one LoadTest: facts and `now` in, actions out. Pure: no clock, no I/O; safe to call twice with the same facts.

    no run ──key differs, its turn──▶ BeginRun ──▶ StorePlan ──▶ CreateJob ──▶ all Ready ──▶ Start ──▶ Collect ──▶ Conclude ──▶ tidy up
                                                       │             │             │                     ▲
                                                       └─ suspend / a deadline / lost runner / a bound ──┘

The run's number and key are in the status before the Job exists, so a restart between any two steps goes on with the same run.
"""

from __future__ import annotations

from dataclasses import replace

from slipstream_operator.loadtests.asking.ask import Meanwhile, meanwhile
from slipstream_operator.loadtests.deciding.actions import DEFAULT_TIMINGS, Conclude, Decision, Timings
from slipstream_operator.loadtests.deciding.between import between_runs
from slipstream_operator.loadtests.deciding.running import aborting, running
from slipstream_operator.loadtests.deciding.starting import starting
from slipstream_operator.loadtests.facts import Facts

SUSPENDED = "spec.suspend was set to true"


def decide(facts: Facts, now: float, timings: Timings = DEFAULT_TIMINGS) -> Decision:
    """The next step of a LoadTest. `now`: unix seconds, since starts and deadlines are shared between machines."""
    if not facts.test.key or facts.test.status.get("completionTime"):
        return between_runs(facts, now, timings)
    if facts.result_stored:  # the status write got lost in a restart: conclude again from what is stored
        return Decision((Conclude(),), "Concluding")
    asked = meanwhile(facts, now)
    reason = _abort(facts, asked, now)
    if reason:
        step = replace(aborting(facts, reason, now, timings), abort=reason)
    elif facts.started_at is None:
        step = starting(facts, now, timings)
    else:
        step = running(facts, facts.started_at, now, timings)
    return _saying(step, asked)


def _abort(facts: Facts, asked: Meanwhile, now: float) -> str:
    """Why the run is to end early, empty where it isn't. What was said first stays: draining takes a while."""
    if facts.abort_because:
        return facts.abort_because
    if facts.test.suspended or facts.abort_asked_at is not None:
        return SUSPENDED
    deadline = facts.terms.active_deadline
    if deadline is not None and facts.begun_at is not None and now > facts.begun_at + deadline:
        return f"spec.activeDeadline of {deadline:g}s has passed"
    if asked.replaced:
        return f"the scheduled run of {asked.replaced} takes its place"
    return facts.broken


def _saying(step: Decision, asked: Meanwhile) -> Decision:
    """With what the status says besides: an edit waits for the end of the run, and a tick that comes now is left out."""
    after = "; the spec has been changed, and runs after this run" if asked.next in ("SpecChanged", "Rerun") else ""
    message = f"{step.message or 'measuring'}{after}" if after and step.stage in ("Starting", "Running") else step.message
    return replace(step, message=message, note={**step.note, **asked.note})
