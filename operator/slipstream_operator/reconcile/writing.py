"""Whether a status is written, and when: at once for what somebody waits for, seldom for figures, never for what is there already. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from slipstream_operator.reconcile.figures import is_open

DETAIL_INTERVAL: Final = 1.0  # seconds; while pods come and go, their number changes faster than anybody reads


@dataclass(frozen=True, slots=True)
class Write:
    """`wait`: seconds until it may be written, 0 for now."""

    wait: float
    patch: dict[str, Any]


def plan(
    observed: Mapping[str, Any], wanted: Mapping[str, Any], last_write: float | None, now: float, figures_interval: float
) -> Write | None:
    """What to write over `observed`; None where that says the same but for times. `last_write`, `now`: any monotonic clock."""
    urgency = _urgency(observed, wanted)
    if urgency is None:
        return None
    pause = {"now": 0.0, "detail": DETAIL_INTERVAL, "figure": figures_interval}[urgency]
    wait = 0.0 if last_write is None else max(0.0, last_write + pause - now)
    return Write(wait, _patch(observed, wanted))


def _urgency(observed: Mapping[str, Any], wanted: Mapping[str, Any]) -> Literal["now", "detail", "figure"] | None:
    if _verdicts(observed) != _verdicts(wanted) or is_open(_figure(observed)) != is_open(_figure(wanted)):
        return "now"
    if _details(observed) != _details(wanted):
        return "detail"
    return "figure" if _figure(observed) != _figure(wanted) else None


def _verdicts(status: Mapping[str, Any]) -> object:
    """What a person or a pipeline waits for."""
    conditions = status.get("conditions") or ()
    return status.get("observedGeneration"), [(c["type"], c["status"], c["reason"], c.get("observedGeneration")) for c in conditions]


def _details(status: Mapping[str, Any]) -> object:
    summary = {k: v for k, v in (status.get("summary") or {}).items() if k != "figure"}
    return [c.get("message") for c in status.get("conditions") or ()], summary, list(status.get("targets") or ())


def _figure(status: Mapping[str, Any]) -> str:
    return str((status.get("summary") or {}).get("figure") or "")


def _patch(observed: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch: lists are replaced, members that aren't wanted any more are deleted."""
    patch: dict[str, Any] = {name: None for name in observed if name not in wanted}
    for name, value in wanted.items():
        before = observed.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = {**{k: None for k in before if k not in value}, **value}
        else:
            patch[name] = value
    return patch
