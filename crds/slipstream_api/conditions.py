"""Conditions: their types, their reasons, and how one is set. Pure; the time is an argument.

Source: Kubernetes API conventions; GEP-713 (Accepted, ResolvedRefs, Programmed, Enforced); kstatus (Reconciling and Stalled are present
only while abnormal; only Stalled=True means failed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Literal

Status = Literal["True", "False", "Unknown"]


class Type(StrEnum):
    """Types of conditions, in the order in which they are shown."""

    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    INJECTED = "Injected"
    PROGRAMMED = "Programmed"
    ENFORCED = "Enforced"
    RUNNERS_READY = "RunnersReady"
    SUCCEEDED = "Succeeded"
    THRESHOLDS_MET = "ThresholdsMet"
    SUSPENDED = "Suspended"
    WARNING = "Warning"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Every reason that a condition can give; REASONS says which belongs to which."""

    PENDING = "Pending"
    # Accepted
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    CONFLICTED = "Conflicted"
    # ResolvedRefs
    RESOLVED_REFS = "ResolvedRefs"
    TARGET_NOT_FOUND = "TargetNotFound"
    PARTIALLY_RESOLVED = "PartiallyResolved"
    BASELINE_NOT_FOUND = "BaselineNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    KEY_NOT_FOUND = "KeyNotFound"
    # Injected
    INJECTED = "Injected"
    PODS_MISSING_SIDECAR = "PodsMissingSidecar"
    PODS_OUTDATED = "PodsOutdated"
    PORT_CONFLICT = "PortConflict"
    INJECTION_DISABLED = "InjectionDisabled"
    NO_PODS = "NoPods"
    # Programmed
    PROGRAMMED = "Programmed"
    PROGRESSING = "Progressing"
    REJECTED = "Rejected"
    PODS_UNREACHABLE = "PodsUnreachable"
    # Enforced
    ENFORCED = "Enforced"
    SHADOWED = "Shadowed"
    DISABLED = "Disabled"
    OVERRIDDEN = "Overridden"
    PARTIALLY_ENFORCED = "PartiallyEnforced"
    # Warning
    NOT_ENFORCED = "NotEnforced"
    NEVER_TAKEN = "NeverTaken"
    # Ready
    READY = "Ready"
    # RunnersReady
    SCHEDULING = "Scheduling"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PODS_REFUSED = "PodsRefused"
    UNSCHEDULABLE = "Unschedulable"
    INSUFFICIENT_CPU = "InsufficientCPU"
    INSUFFICIENT_MEMORY = "InsufficientMemory"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CREATE_CONTAINER_FAILED = "CreateContainerFailed"
    CRASH_LOOP = "CrashLoop"
    SIDECAR_MISSING = "SidecarMissing"
    PREPARING = "Preparing"
    RUNNER_UNREACHABLE = "RunnerUnreachable"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    RUNNER_ENDED = "RunnerEnded"
    # Succeeded
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    PASSED = "Passed"
    THRESHOLDS_FAILED = "ThresholdsFailed"
    REGRESSED = "Regressed"
    ISOLATION_BROKEN = "IsolationBroken"
    MEMORY_GROWS = "MemoryGrows"
    DEGRADES = "Degrades"
    INCONCLUSIVE = "Inconclusive"
    ABORTED = "Aborted"
    # ThresholdsMet
    ALL_PASSED = "AllPassed"
    FAILED = "Failed"
    NO_DATA = "NoData"
    # Suspended
    SUSPENDED = "Suspended"


R: Final = Reason
POLICY_REASONS: Final[Mapping[Type, frozenset[Reason]]] = {
    Type.ACCEPTED: frozenset({R.ACCEPTED, R.INVALID, R.CONFLICTED}),
    Type.RESOLVED_REFS: frozenset({R.RESOLVED_REFS, R.TARGET_NOT_FOUND, R.PARTIALLY_RESOLVED}),
    Type.INJECTED: frozenset(
        {R.INJECTED, R.PODS_MISSING_SIDECAR, R.PODS_OUTDATED, R.PORT_CONFLICT, R.INJECTION_DISABLED, R.NO_PODS, R.PENDING}
    ),
    Type.PROGRAMMED: frozenset({R.PROGRAMMED, R.PROGRESSING, R.REJECTED, R.PODS_UNREACHABLE, R.NO_PODS, R.PENDING}),
    Type.ENFORCED: frozenset({R.ENFORCED, R.SHADOWED, R.DISABLED, R.OVERRIDDEN, R.PARTIALLY_ENFORCED}),
    Type.WARNING: frozenset({R.NOT_ENFORCED, R.NEVER_TAKEN}),
}
LOADTEST_REASONS: Final[Mapping[Type, frozenset[Reason]]] = {
    Type.ACCEPTED: frozenset({R.ACCEPTED, R.INVALID}),
    Type.RESOLVED_REFS: frozenset({R.RESOLVED_REFS, R.TARGET_NOT_FOUND, R.BASELINE_NOT_FOUND, R.CONFIG_MAP_NOT_FOUND, R.KEY_NOT_FOUND}),
    Type.RUNNERS_READY: frozenset(
        {R.READY, R.SCHEDULING, R.PENDING, R.QUOTA_EXCEEDED, R.PODS_REFUSED, R.UNSCHEDULABLE, R.INSUFFICIENT_CPU, R.INSUFFICIENT_MEMORY}
        | {R.IMAGE_PULL_FAILED, R.CREATE_CONTAINER_FAILED, R.CRASH_LOOP, R.SIDECAR_MISSING, R.PREPARING, R.RUNNER_UNREACHABLE}
        | {R.OUT_OF_MEMORY, R.EVICTED, R.RUNNER_ENDED}
    ),
    Type.SUCCEEDED: frozenset(
        {R.PENDING, R.QUEUED, R.STARTING, R.RUNNING, R.PASSED, R.INCONCLUSIVE, R.ABORTED, R.INVALID}
        | {R.THRESHOLDS_FAILED, R.REGRESSED, R.ISOLATION_BROKEN, R.MEMORY_GROWS, R.DEGRADES}
    ),
    Type.THRESHOLDS_MET: frozenset({R.ALL_PASSED, R.FAILED, R.INCONCLUSIVE, R.NO_DATA, R.PENDING}),
    Type.SUSPENDED: frozenset({R.SUSPENDED}),
    Type.WARNING: frozenset({R.NOT_ENFORCED}),
}
MESSAGE_LIMIT: Final = 2000

Condition = dict[str, Any]


def condition(type_: str, status: Status, reason: str, message: str, generation: int) -> Condition:
    """A condition without its time; the message is cut to what the API server takes."""
    cut = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"
    return {"type": str(type_), "status": status, "reason": str(reason), "message": cut, "observedGeneration": generation}


def set_condition(conditions: Sequence[Mapping[str, Any]], new: Mapping[str, Any], now: str) -> tuple[Condition, ...]:
    """`conditions` with `new` in the place of its type, else at the end; its time is `now` (RFC 3339) only when its status changes."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    since = old["lastTransitionTime"] if old is not None and old["status"] == new["status"] else now
    placed = {**new, "lastTransitionTime": since}
    if old is None:
        return (*(dict(c) for c in conditions), placed)
    return tuple(placed if c["type"] == new["type"] else dict(c) for c in conditions)


def set_conditions(before: Sequence[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]], now: str) -> tuple[Condition, ...]:
    """Exactly the wanted conditions, in the order of Type, each with the time of its last transition; others are gone."""
    kept = {c["type"]: c for c in before}
    order = {str(t): i for i, t in enumerate(Type)}
    placed = [set_condition([kept[c["type"]]] if c["type"] in kept else [], c, now)[0] for c in wanted]
    return tuple(sorted(placed, key=lambda c: order.get(c["type"], len(order))))


def find(conditions: Iterable[Mapping[str, Any]], type_: str) -> Mapping[str, Any] | None:
    """The condition of that type."""
    return next((c for c in conditions if c["type"] == type_), None)
