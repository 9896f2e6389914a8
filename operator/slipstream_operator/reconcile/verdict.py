"""From facts to a policy's whole status: conditions, the summary for the columns, the targets; and when to look again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from slipstream_api.conditions import Condition, Reason, Type, condition, find, set_conditions
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.reconcile.checks import CHECKS
from slipstream_operator.reconcile.facts import PolicyFacts, WorkloadFacts
from slipstream_operator.reconcile.figures import figure

READY_NEEDS: Final = (Type.ACCEPTED, Type.RESOLVED_REFS, Type.INJECTED, Type.PROGRAMMED)
# Nothing but a change of the spec or of the pods helps: at once, or after a grace, since things are applied in any order.
STALLED_AT_ONCE: Final = frozenset({Reason.INVALID, Reason.CONFLICTED, Reason.REJECTED})
STALLED_LATER: Final = frozenset(
    {
        Reason.TARGET_NOT_FOUND,
        Reason.PARTIALLY_RESOLVED,
        Reason.PODS_MISSING_SIDECAR,
        Reason.PODS_OUTDATED,
        Reason.PORT_CONFLICT,
        Reason.INJECTION_DISABLED,
    }
)
UNREACHABLE_GRACE: Final = 5.0  # times the grace: the volume needs about 90 s
TARGETS_SHOWN: Final = 32
REVISION_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` as it should be. `recheck`: seconds until time alone changes it."""

    status: dict[str, Any]
    recheck: float | None = None


def decide(facts: PolicyFacts, now: float, grace: float = 60.0) -> Verdict:
    """`now`: unix seconds."""
    wanted = [found for check in CHECKS if (found := check(facts)) is not None]
    ready = _ready(facts, wanted)
    wanted.append(ready)
    abnormal, recheck = _abnormal(facts, ready, wanted, now, grace)
    wanted += abnormal
    status: dict[str, Any] = {
        "observedGeneration": facts.generation,
        "conditions": list(set_conditions(facts.conditions, wanted, timestamp(now))),
        "summary": _summary(facts),
        "targets": _targets(facts),
    }
    return Verdict(status, recheck)


def timestamp(now: float) -> str:
    """RFC 3339, whole seconds, as Kubernetes writes it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ready(facts: PolicyFacts, found: list[Condition]) -> Condition:
    """The summary: the first of what it needs that isn't True, with its reason."""
    needs = [c for type_ in READY_NEEDS if (c := find(found, type_)) is not None]
    for status in ("False", "Unknown"):
        for need in needs:
            if need["status"] == status:
                return condition(Type.READY, status, need["reason"], need["message"], facts.generation)
    return condition(Type.READY, "True", Reason.READY, "ready", facts.generation)


def _abnormal(
    facts: PolicyFacts, ready: Condition, found: list[Condition], now: float, grace: float
) -> tuple[list[Condition], float | None]:
    """kstatus: Stalled where nobody but a person can help, else Reconciling while it isn't ready; neither when it is."""
    if ready["status"] == "True":
        return [], None
    reason, message = ready["reason"], ready["message"]
    if reason in STALLED_AT_ONCE:
        return [condition(Type.STALLED, "True", reason, message, facts.generation)], None
    allowed = grace if reason in STALLED_LATER else grace * UNREACHABLE_GRACE if reason == Reason.PODS_UNREACHABLE else None
    if allowed is not None:
        left = allowed - (now - _since(facts, reason, found, now))
        if left <= 0:
            return [condition(Type.STALLED, "True", reason, message, facts.generation)], None
        return [condition(Type.RECONCILING, "True", Reason.PROGRESSING, message, facts.generation)], left
    return [condition(Type.RECONCILING, "True", Reason.PROGRESSING, message, facts.generation)], None


def _since(facts: PolicyFacts, reason: str, found: list[Condition], now: float) -> float:
    """Since when the condition that gives the reason isn't True; kept in the status itself, so that a restart doesn't reset it."""
    type_ = next((c["type"] for c in found if c["reason"] == reason and c["status"] == "False" and c["type"] != Type.READY), None)
    before = find(facts.conditions, type_) if type_ else None
    if before is None or before["status"] != "False":
        return now
    try:
        return datetime.strptime(before["lastTransitionTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return now


def _summary(facts: PolicyFacts) -> dict[str, Any]:
    pods = [pod for _, pod in facts.pods()]
    done = sum(len(workload.acknowledged()) for workload in facts.workloads)
    statuses = [status for pod in pods for status in pod.state.pools]
    summary = {
        "targets": _short(facts.entry.targets),
        "pods": f"{done}/{len(pods)}",
        "revision": _short(tuple(dict.fromkeys(w.wanted.revision[:REVISION_SHOWN] for w in facts.workloads if w.wanted and w.compiled))),
        "figure": figure(facts.entry.kind, facts.entry.name, statuses),
    }
    return {name: text for name, text in summary.items() if text}


def _short(names: tuple[str, ...]) -> str:
    """The first and how many more, as wide as a column may be."""
    if not names:
        return ""
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def _targets(facts: PolicyFacts) -> list[dict[str, Any]]:
    """A pool is for workloads, any other policy for pools; worst first, then by name."""
    by_name = {workload.name: workload for workload in facts.workloads}
    if facts.entry.kind == CONNECTION_POOL.kind:
        rows = [_target("Workload", name, (by_name[name],) if name in by_name else ()) for name in facts.entry.targets]
    else:
        pools = {target.name: target for target in facts.targets}
        rows = [
            _target("ConnectionPool", name, tuple(by_name[w] for w in pools[name].workloads if w in by_name))
            if name in pools
            else {"kind": "ConnectionPool", "name": name, "state": "NotFound", "reason": str(Reason.TARGET_NOT_FOUND)}
            for name in facts.entry.targets
        ]
    order = {"NotFound": 0, "Pending": 1, "Partial": 2, "Current": 3}
    return sorted(rows, key=lambda row: (order[row["state"]], row["name"]))[:TARGETS_SHOWN]


def _target(kind: str, name: str, workloads: tuple[WorkloadFacts, ...]) -> dict[str, Any]:
    desired = sum(len(workload.pods) for workload in workloads)
    current = sum(len(workload.acknowledged()) for workload in workloads)
    state = "Current" if current == desired else "Partial" if current else "Pending"
    return {"kind": kind, "name": name, "state": state, "podsDesired": desired, "podsCurrent": current}
