"""Why runners aren't ready: what the kubelet, the scheduler and the Job's controller say, as one reason of RunnersReady. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from slipstream_api.conditions import Reason
from slipstream_operator.loadtests.facts import NO_SIDECAR, Facts, RunnerFacts

SILENCE: Final = 10.0  # seconds from a container's start within which no answer is no wonder: interpreters start, addresses spread
DETAIL_CHARS: Final = 200  # of another component's words in ours

_PULLS: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable")
_STARTS: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun")
_REASONS: Final = {
    **dict.fromkeys(_PULLS, Reason.IMAGE_PULL_FAILED),
    **dict.fromkeys(_STARTS, Reason.CREATE_CONTAINER_FAILED),
    **dict.fromkeys(("Unschedulable", "SchedulingGated"), Reason.UNSCHEDULABLE),
    "CrashLoopBackOff": Reason.CRASH_LOOP,
    "OOMKilled": Reason.OUT_OF_MEMORY,
    "Evicted": Reason.EVICTED,
    NO_SIDECAR: Reason.SIDECAR_MISSING,
}
_SHORT: Final = {"insufficient memory": Reason.INSUFFICIENT_MEMORY, "insufficient cpu": Reason.INSUFFICIENT_CPU}
_QUOTA: Final = re.compile(r"exceeded quota|failed quota", re.IGNORECASE)

# From what takes longest to mend itself to what does so within seconds; any other reason comes before them.
_PATIENT: Final = (Reason.RUNNER_UNREACHABLE, Reason.PREPARING, Reason.SCHEDULING)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way. `words`: those of whoever knows, in brackets; empty where nothing is known but that it takes time."""

    reason: Reason = Reason.SCHEDULING
    words: str = ""


def obstacle(facts: Facts, now: float) -> Obstacle:
    """The first runner's that has one; a runner that merely takes its time says less than one that is stuck."""
    waiting = [facts.runner(i) for i in range(facts.wanted)]
    found = [_of(r, now) for r in waiting if r is not None and r.phase != "Ready"]
    if facts.job is not None and facts.job.refused and None in waiting:
        found.append(_refused(facts.job.refused))
    return min(found, key=lambda one: _PATIENT.index(one.reason) if one.reason in _PATIENT else -1, default=Obstacle())


def of_ended(runner: RunnerFacts) -> Obstacle:
    """Of a runner that ended before the start."""
    return Obstacle(_REASONS.get(runner.trouble, Reason.RUNNER_ENDED), _words(runner.trouble, runner.detail))


def because(runner: RunnerFacts | None) -> str:
    """What is wrong with a runner, in brackets; empty where nothing is known."""
    return _words(runner.trouble, runner.detail) if runner is not None and runner.trouble else ""


def _of(runner: RunnerFacts, now: float) -> Obstacle:
    if runner.over:
        return of_ended(runner)
    if runner.trouble:
        reason = _REASONS.get(runner.trouble, Reason.SCHEDULING)
        if reason is Reason.UNSCHEDULABLE:
            reason = next((short for words, short in _SHORT.items() if words in runner.detail.lower()), reason)
        return Obstacle(reason, because(runner))
    if runner.phase == "Preparing":
        return Obstacle(Reason.PREPARING, f" (runner {runner.index}: its sidecar or the target doesn't answer yet)")
    if runner.since is not None and now > runner.since + SILENCE:
        return Obstacle(Reason.RUNNER_UNREACHABLE, f" (runner {runner.index} runs and doesn't answer: may the operator reach its port?)")
    return Obstacle()


def _refused(said: str) -> Obstacle:
    reason = Reason.QUOTA_EXCEEDED if _QUOTA.search(said) else Reason.PODS_REFUSED
    return Obstacle(reason, _words("", said))


def _words(trouble: str, detail: str) -> str:
    short = detail if len(detail) <= DETAIL_CHARS else f"{detail[: DETAIL_CHARS - 1]}…"
    said = ": ".join(filter(None, (trouble, short)))
    return f" ({said})" if said else ""
