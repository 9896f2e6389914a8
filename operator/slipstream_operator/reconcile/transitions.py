"""Which Events a change of status is worth: transitions only, so that a restart tells nothing twice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from slipstream_api.conditions import Reason, Type, find
from slipstream_operator.reconcile.figures import is_open


@dataclass(frozen=True, slots=True)
class Happening:
    """An Event to be: its type, its reason, what a person reads."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


# condition, (status, reason or "" for any) that it comes to, the Event
TABLE: Final[tuple[tuple[Type, str, str, Literal["Normal", "Warning"], str], ...]] = (
    (Type.ACCEPTED, "True", Reason.ACCEPTED, "Normal", "PolicyAccepted"),
    (Type.ACCEPTED, "False", Reason.INVALID, "Warning", "PolicyInvalid"),
    (Type.ACCEPTED, "False", Reason.CONFLICTED, "Warning", "PolicyConflicted"),
    (Type.ENFORCED, "False", Reason.PARTIALLY_ENFORCED, "Warning", "PolicyConflicted"),
    (Type.RESOLVED_REFS, "False", Reason.TARGET_NOT_FOUND, "Warning", "TargetNotFound"),
    (Type.RESOLVED_REFS, "False", Reason.PARTIALLY_RESOLVED, "Warning", "TargetNotFound"),
    (Type.INJECTED, "False", Reason.PODS_MISSING_SIDECAR, "Warning", "SidecarMissing"),
    (Type.PROGRAMMED, "True", Reason.PROGRAMMED, "Normal", "ConfigProgrammed"),
    (Type.PROGRAMMED, "False", Reason.REJECTED, "Warning", "ConfigRejected"),
)


def happenings(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Happening]:
    """What came to be between two statuses of a policy. A new generation that is programmed is news, though the status is the same."""
    found = []
    for type_, status, reason, level, event in TABLE:
        old, new = find(before.get("conditions") or (), type_), find(after.get("conditions") or (), type_)
        if new is None or (new["status"], new["reason"]) != (status, reason):
            continue
        same_generation = type_ != Type.PROGRAMMED or (old or {}).get("observedGeneration") == new.get("observedGeneration")
        if old is not None and (old["status"], old["reason"]) == (status, reason) and same_generation:
            continue
        found.append(Happening(level, event, new["message"]))
    if kind == "CircuitBreaker":
        found += _breaker(_figure(before), _figure(after))
    return found


def _breaker(before: str, after: str) -> list[Happening]:
    if is_open(after) and not is_open(before):
        return [Happening("Warning", "BreakerOpened", f"circuits: {after}")]
    if is_open(before) and not is_open(after) and after:
        return [Happening("Normal", "BreakerClosed", f"circuits: {after}")]
    return []


def _figure(status: Mapping[str, Any]) -> str:
    return str((status.get("summary") or {}).get("figure") or "")
