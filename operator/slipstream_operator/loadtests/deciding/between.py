"""Between two runs: tidy up after the last one, begin the next one when it is asked for and its turn has come. Pure."""

from __future__ import annotations

from slipstream_operator.loadtests.asking.ask import Ask, ask
from slipstream_operator.loadtests.asking.schedule import stamp
from slipstream_operator.loadtests.asking.turns import before, waits_for
from slipstream_operator.loadtests.deciding.actions import Acknowledge, Action, BeginRun, Decision, ExpireJob, RemoveJob, Timings
from slipstream_operator.loadtests.facts import Facts

BLOCKED_POLL = 30.0  # seconds; what a test refers to has no event of its own


def between_runs(facts: Facts, now: float, timings: Timings) -> Decision:
    """What to do while no run is in progress."""
    tidy = tidy_up(facts, now, timings)
    asked = ask(facts, now)
    again = _soonest(timings.poll if tidy else None, asked.again)
    waiting = facts.test.status.get("queuedAt")
    note = {**asked.note, **({"queuedAt": None} if waiting else {})}
    if asked.why is None:
        return Decision(tidy, "Idle", again=again, note=note)
    if facts.problem is not None:
        return Decision(tidy, "Blocked", facts.problem, again=_soonest(BLOCKED_POLL, again), note=note)
    if facts.test.suspended:
        return Decision(tidy, "Suspended", message="spec.suspend is true: set it to false to run", again=again, note=note)
    ahead = before(facts.around.others, facts.test.name, facts.test.created, str(waiting or ""))
    if ahead:
        note = {**asked.note, "queuedAt": waiting or stamp(now)}
        return Decision(tidy, "Queued", message=waits_for(ahead), again=timings.queue_poll, note=note)
    return Decision((*tidy, _begin(facts, asked)), "Starting", again=0.0, note=asked.note)


def _begin(facts: Facts, asked: Ask) -> BeginRun:
    assert asked.why is not None
    last = str(facts.test.key)
    tick = asked.key.tick if f"/tick:{asked.key.tick}/" not in last and asked.key.tick else ""
    return BeginRun(facts.test.run + 1, str(asked.key), asked.why, tick, asked.promise)


def tidy_up(facts: Facts, now: float, timings: Timings) -> tuple[Action, ...]:
    """After a run: its runners may go, and its Job when its time has come. The result is stored, so nothing here can lose it."""
    if facts.job is None or facts.job.deleting:
        return ()
    alive = tuple(r for r in facts.runners if not r.over)
    if alive:
        done = tuple(r for r in alive if r.phase in ("Done", "Aborted"))
        if done:
            return (Acknowledge(done),)
        overdue = facts.started_at is None or now > facts.started_at + facts.duration + timings.grace
        idle = any(r.phase in ("Preparing", "Ready") for r in alive)  # one that replaced another after the start
        return (RemoveJob(),) if overdue or idle else (Acknowledge(alive),)
    if facts.job.finished_at is None or facts.job.ttl_seconds is not None:
        return ()
    return (ExpireJob(max(0, int(facts.ttl_after_finished + now - facts.job.finished_at))),)


def _soonest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)
