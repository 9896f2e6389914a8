"""What is known about one LoadTest at one moment: plain data that `decide` looks at. Pure; nothing here is fetched or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from slipstream_operator.loadtests.asking.triggers import Sight
from slipstream_operator.loadtests.asking.turns import InLine

NO_SIDECAR: Final = "NoSidecar"
RunnerPhase = Literal["Preparing", "Ready", "Running", "Draining", "Done", "Aborted"]


@dataclass(frozen=True, slots=True)
class LoadTestFacts:
    """The LoadTest itself. `spec` and `status` as the API server holds them; `created` RFC 3339."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    created: str = ""

    @property
    def run(self) -> int:
        """Number of the last run, 0 before the first."""
        return int(self.status.get("run") or 0)

    @property
    def key(self) -> str:
        """Key of the last run, empty before the first."""
        return str(self.status.get("runKey") or "")

    @property
    def suspended(self) -> bool:
        return bool(self.spec.get("suspend", False))


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a LoadTest can't be run as it is. `type` is the condition that says so (Accepted, ResolvedRefs)."""

    type: Literal["Accepted", "ResolvedRefs"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The Job of the current run. `finished_at`: unix seconds of its Complete or Failed condition; `refused`: why it can't make pods."""

    name: str
    uid: str
    finished_at: float | None = None
    ttl_seconds: int | None = None
    deleting: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class RunnerFacts:
    """One runner pod. `phase` is what the runner says of itself, None while it can't be asked; `pod_phase` is the kubelet's."""

    index: int
    pod: str
    uid: str
    ip: str = ""
    workload: str = ""  # as which it goes through the layers, and is signed to; its pod's label, whatever the spec says by now
    pod_phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"] = "Pending"
    trouble: str = ""  # OOMKilled, Evicted, ImagePullBackOff, Unschedulable, NoSidecar: what keeps or kept it from running
    detail: str = ""  # the same in the kubelet's or the scheduler's own words
    since: float | None = None  # unix seconds since which its own container runs; None where it doesn't
    phase: RunnerPhase | None = None
    start_at: float | None = None  # unix seconds, once it has been told

    @property
    def over(self) -> bool:
        return self.pod_phase in ("Succeeded", "Failed")

    def answered(self, phase: RunnerPhase, start_at: float | None) -> RunnerFacts:
        """The same runner with what it says of itself."""
        return replace(self, phase=phase, start_at=start_at)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a run is held, frozen when it begins like its plan. Seconds; no deadline: as long as the plan needs."""

    loss_policy: Literal["Fail", "Continue", "Replace"] = "Fail"
    max_lost: int = 0
    start_timeout: float = 180.0  # from BeginRun until every runner is ready: image pull, scheduling, sidecar
    active_deadline: float | None = None  # from BeginRun to the end

    def bearable(self, lost: int) -> bool:
        """Whether a run with so many lost runners is worth going on with."""
        return self.loss_policy != "Fail" and lost <= self.max_lost


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """spec.schedule; `deadline` in seconds."""

    cron: str
    zone: str = "UTC"
    concurrency: Literal["Forbid", "Replace"] = "Forbid"
    deadline: float = 600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else can make a test run, and what can make it wait. A sight is None where nothing is known, a trigger off where unset."""

    schedule: ScheduleFacts | None = None
    on_policies: bool = False
    on_rollout: bool = False
    policies: Sight | None = None
    rollout: Sight | None = None
    settle: float = 30.0  # seconds of quiet after a change
    others: tuple[InLine, ...] = ()  # of the same queue


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one LoadTest. `parts`: indexes of the runners whose part has been collected."""

    test: LoadTestFacts
    problem: Problem | None = None
    around: Surroundings = Surroundings()
    terms: Terms = Terms()
    job: JobFacts | None = None
    plan_stored: bool = False
    result_stored: bool = False
    runners: tuple[RunnerFacts, ...] = ()
    parts: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()  # indexes that have ended without leaving a part, neither over HTTP nor in their logs
    wanted: int = 1  # how many runners the run in progress has
    duration: float = 0.0  # seconds from the common start to the end of the last stage
    started_at: float | None = None  # unix seconds of the common start, as the runners or the status know it
    begun_at: float | None = None  # unix seconds at which the run was written down
    ttl_after_finished: float = 3600.0  # seconds, of the spec
    abort_asked_at: float | None = None  # unix seconds; an abort, once asked for, isn't taken back by suspend: false
    abort_because: str = ""  # why, of an abort that was asked for
    broken: str = ""  # a threshold with `abort` that is broken, in words

    def missing(self) -> tuple[int, ...]:
        """Indexes whose part hasn't been collected."""
        return tuple(i for i in range(self.wanted) if i not in self.parts)

    def beyond_reach(self) -> frozenset[int]:
        """Indexes whose part will never come: lost, or of a pod that isn't there any more, and its logs with it."""
        return self.lost | {i for i in self.missing() if self.started_at is not None and self.runner(i) is None}

    def attempts(self, index: int) -> int:
        """How many pods of an index there are or were, as far as they haven't been deleted."""
        return sum(1 for r in self.runners if r.index == index)

    def runner(self, index: int) -> RunnerFacts | None:
        """The youngest attempt of an index; pods of an index come oldest first."""
        return next((r for r in reversed(self.runners) if r.index == index), None)
