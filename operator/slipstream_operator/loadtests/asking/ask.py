"""What a LoadTest asks for now: the key of the run that it should have had, and why. Pure: facts and `now` in; starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from slipstream_operator.loadtests.asking.runkey import UNSETTLED, RunKey, Why, parse_key
from slipstream_operator.loadtests.asking.schedule import BadSchedule, Due, due, stamp
from slipstream_operator.loadtests.asking.triggers import settle
from slipstream_operator.loadtests.facts import Facts

TRIGGER_POLL: Final = 10.0  # seconds between looks at what a trigger is about
LONGEST: Final = 300.0  # seconds; the event loop's clock and the wall clock may part over a long wait


@dataclass(frozen=True, slots=True)
class Ask:
    """`why` is None when nothing is asked for. `note`: members of the status to remember; `promise`: the next scheduled run, written when
    one begins. `again`: seconds until something may be asked for without an event."""

    key: RunKey
    why: Why | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    promise: str | None = None
    again: float | None = None


def ask(facts: Facts, now: float) -> Ask:
    """Between runs: which run is wanted, if it isn't the last one."""
    test, around = facts.test, facts.around
    last = parse_key(test.key) if test.key else RunKey()
    came = _due(facts, now)
    promise = stamp(came.next) if came.next is not None else None
    wanted = replace(last, tick=stamp(came.tick) if came.tick is not None and not test.suspended else last.tick).of_spec(test.spec)
    waits = [came.next - now] if came.next is not None else []
    note: dict[str, Any] = {}
    for name, on, sight in (("policies", around.on_policies, around.policies), ("rollout", around.on_rollout, around.rollout)):
        before = getattr(last, name)
        if not on:  # what it was at the last run says nothing once nobody looks
            wanted, last = replace(wanted, **{name: ""}), replace(last, **{name: ""})
            continue
        found = settle(name, sight, before, _noted(test.status, name), around.settle, now, stamp(now))  # type: ignore[arg-type]  # one of the two
        note |= {"observed": {**note.get("observed", {}), **found.note}} if found.note is not None else {}
        waits += [TRIGGER_POLL if found.again is None else min(TRIGGER_POLL, max(found.again, 1.0))]
        wanted = replace(wanted, **{name: found.component})
        if not before and test.key:  # switched on after the last run: from now on, changes count
            last = replace(last, **{name: found.component})
            if found.component not in ("", UNSETTLED):
                note["runKey"] = str(replace(parse_key(str(note.get("runKey", test.key))), **{name: found.component}))
    why = wanted.differs(last) if test.key else "SpecChanged"
    if came.tick is None or test.suspended:  # one that is due stays promised until its run begins, or its deadline passes
        note["nextScheduleTime"] = promise
    return Ask(wanted, why, note, promise, min([*waits, LONGEST]) if waits else None)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What is asked for while a run is in progress. `replaced`: the tick whose run takes its place; `next`: why another run follows."""

    replaced: str = ""
    next: Why | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


def meanwhile(facts: Facts, now: float) -> Meanwhile:
    """During a run: an edit of the spec waits for its end; a tick is left out (Forbid), or ends it (Replace)."""
    last = parse_key(facts.test.key)
    differs = replace(last).of_spec(facts.test.spec).differs(last)
    came, schedule = _due(facts, now), facts.around.schedule
    if schedule is not None and came.tick is not None and schedule.concurrency == "Replace" and not facts.test.suspended:
        return Meanwhile(replaced=stamp(came.tick), next="Schedule")
    return Meanwhile(next=differs, note={"nextScheduleTime": stamp(came.next) if came.next is not None else None})


def _due(facts: Facts, now: float) -> Due:
    schedule = facts.around.schedule
    if schedule is None:
        return Due(None, None)
    promised = facts.test.status.get("nextScheduleTime")
    try:
        return due(schedule.cron, schedule.zone, schedule.deadline, _unix(promised) if promised else None, now)
    except BadSchedule:  # said by the conditions; nothing is due by it
        return Due(None, None)


def _noted(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    noted = (status.get("observed") or {}).get(name) or {}
    return {**noted, "since_unix": _unix(noted["since"])} if noted.get("since") else noted


def _unix(text: str) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
