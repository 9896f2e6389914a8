"""What can be decided for a LoadTest: the actions, the bounds, the decision. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from slipstream_api.conditions import Reason
from slipstream_operator.loadtests.asking.runkey import Why
from slipstream_operator.loadtests.facts import Problem, RunnerFacts

Cause = Literal["", "Aborted", "NotStarted", "RunnersNotReady", "RunnerLost", "DeadlineExceeded"]
Stage = Literal["Idle", "Blocked", "Suspended", "Queued", "Starting", "Running", "Concluding"]


@dataclass(frozen=True, slots=True)
class Timings:
    """Bounds in seconds; no stage of a run is without one."""

    start_lead: float = 2.0  # how far ahead the common start lies, so that every runner has it in time
    late: float = 10.0  # after the common start: a runner that hasn't begun by then would measure another time
    grace: float = 30.0  # after the last stage, for draining and for handing over the parts
    abort_grace: float = 15.0  # after an abort, for draining and for handing over the parts
    poll: float = 1.0  # how often runners are asked while a run is in progress
    queue_poll: float = 2.0  # how often a test looks whether its turn has come
    replacements: int = 3  # further pods of an index, with loss policy Replace


DEFAULT_TIMINGS: Final = Timings()


@dataclass(frozen=True, slots=True)
class BeginRun:
    """Write the number and the key of a new run into the status; nothing exists before that. `promise`: the next scheduled run."""

    run: int
    key: str
    why: Why = "SpecChanged"
    tick: str = ""
    promise: str | None = None


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
    because: str = ""


@dataclass(frozen=True, slots=True)
class Collect:
    """Fetch the parts of these runners: over HTTP, or out of their logs when they have ended."""

    runners: tuple[RunnerFacts, ...]


@dataclass(frozen=True, slots=True)
class Conclude:
    """Merge what was collected, judge, store the result, write the status. `cause` is empty for a run that ended by itself; `unready`:
    why runners weren't ready, of a run that never started."""

    cause: Cause = ""
    message: str = ""
    unready: Reason = Reason.SCHEDULING


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
    """Actions in order, what to say in the status meanwhile, and when to look again (seconds; None: when something changes).

    `unready`: why runners aren't ready, of a run that hasn't started. `note`: members of the status to remember. `abort`: why the run is
    being ended early, from now on whatever else changes.
    """

    actions: tuple[Action, ...] = ()
    stage: Stage = "Idle"
    problem: Problem | None = None
    message: str = ""
    unready: Reason = Reason.SCHEDULING
    again: float | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    abort: str = ""
