"""The conditions of a policy, one small function each: facts in, condition out. Pure. Read CHECKS as the table of contents.

A condition says True only where it is known to be: what wasn't looked at yet is Unknown/Pending, what is on its way False/Progressing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from slipstream_api.compile import Finding, resolve_refs, warning
from slipstream_api.compile.state import enforced as enforced_by_mode
from slipstream_api.conditions import Condition, Reason, Status, Type, condition, find
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.reconcile.facts import PodFacts, PolicyFacts, WorkloadFacts

NAMED: Final = 3  # pods that a message names; the others are counted
WORST_INJECTION: Final = (Reason.PODS_MISSING_SIDECAR, Reason.PORT_CONFLICT, Reason.PODS_OUTDATED, Reason.INJECTION_DISABLED)
WORST_ENFORCED: Final = (Reason.DISABLED, Reason.SHADOWED, Reason.OVERRIDDEN, Reason.PARTIALLY_ENFORCED)


def accepted(facts: PolicyFacts) -> Condition:
    """The spec can be read, and an older policy didn't take everything."""
    if facts.entry.problem:
        message = f"{facts.entry.problem}: correct it, or install the CRDs of this operator's version"
        return _of(facts, Type.ACCEPTED, "False", Reason.INVALID, message)
    lost = [f for f in facts.findings() if f.type == Type.ACCEPTED and f.status != "True"]
    if lost:
        return _of(facts, Type.ACCEPTED, "False", lost[0].reason, _messages(lost))
    return _of(facts, Type.ACCEPTED, "True", Reason.ACCEPTED, "valid")


def resolved_refs(facts: PolicyFacts) -> Condition:
    """Every pool that it names is there; it needs no workload for that."""
    if facts.entry.problem:
        return _of(facts, Type.RESOLVED_REFS, "Unknown", Reason.PENDING, "the spec can't be read")
    found = resolve_refs(facts.entry.resource(), (*facts.pools, *facts.others))
    return _of(facts, Type.RESOLVED_REFS, found.status, found.reason, found.message)


def injected(facts: PolicyFacts) -> Condition:
    """Every pod of its workloads carries a sidecar that can reach its pools and understands its configuration."""
    if facts.entry.problem or not facts.workloads:
        return _of(facts, Type.INJECTED, "Unknown", Reason.PENDING, "no workload is known yet")
    total, problems = 0, list[tuple[Reason, str, str]]()
    for workload, pod in facts.pods():
        total += 1
        problem = _injection_problem(facts, workload, pod)
        if problem:
            problems.append((problem[0], pod.entry.name, problem[1]))
    if not total:
        return _of(facts, Type.INJECTED, "True", Reason.NO_PODS, "no pods")
    for reason in WORST_INJECTION:
        bad = [(name, text) for found, name, text in problems if found == reason]
        if bad:
            (text, _), *_ = Counter(text for _, text in bad).most_common(1)
            return _of(facts, Type.INJECTED, "False", reason, f"{len(bad)} of {total} pods: {text} ({_names(n for n, _ in bad)})")
    return _of(facts, Type.INJECTED, "True", Reason.INJECTED, "every pod carries a sidecar")


def _injection_problem(facts: PolicyFacts, workload: WorkloadFacts, pod: PodFacts) -> tuple[Reason, str] | None:
    entry = pod.entry
    if entry.opted_out:
        return Reason.INJECTION_DISABLED, 'the annotation slipstream.dev/inject is "false": nothing is enforced there'
    if not entry.sidecar:
        if entry.host_network:
            return Reason.INJECTION_DISABLED, "the pod uses the host's network, where a sidecar would serve its neighbours"
        return Reason.PODS_MISSING_SIDECAR, "no sidecar: restart the pod; if that doesn't help, see whether the injector runs"
    if workload.wanted is not None and pod.state.standing(workload.wanted) == "Unsupported":
        return Reason.PODS_OUTDATED, "the sidecar's version doesn't understand this configuration: restart the pod"
    for target in facts.targets:
        if workload.name not in target.workloads:
            continue
        endpoint = entry.injection.endpoint(target.host, target.port)
        if endpoint is None:
            text = f"older than ConnectionPool {target.name}, has no address for {target.host}:{target.port}: restart the pod"
            return Reason.PODS_OUTDATED, text
        # Without the alias the pool still works by its variable, so that this is the pool's own matter.
        if target.alias and not endpoint.alias and facts.entry.kind == CONNECTION_POOL.kind:
            conflict = entry.injection.conflict(target.host)
            if conflict is None:
                return Reason.PODS_OUTDATED, f"older than the host alias of {target.host}: restart the pod"
            return Reason.PORT_CONFLICT, f"no alias for {target.host}, port {target.port}: {conflict.reason}; SLIPSTREAM_*_URL works"
    return None


def programmed(facts: PolicyFacts) -> Condition:
    """Every live pod has acknowledged this generation, once: what comes later (new pods, other policies) doesn't take it back."""
    if facts.entry.problem or not facts.workloads:
        return _of(facts, Type.PROGRAMMED, "Unknown", Reason.PENDING, "there is no configuration to deliver")
    pods = [pod for _, pod in facts.pods()]
    if facts.settled() and not pods:
        return _of(facts, Type.PROGRAMMED, "True", Reason.NO_PODS, "no pods")
    if _latched(facts):
        return _of(facts, Type.PROGRAMMED, "True", Reason.PROGRAMMED, "every pod acknowledged it")
    if not facts.settled():
        return _of(facts, Type.PROGRAMMED, "False", Reason.PROGRESSING, "the configuration is being made")
    done = sum(len(workload.acknowledged()) for workload in facts.workloads)
    if done == len(pods):
        return _of(facts, Type.PROGRAMMED, "True", Reason.PROGRAMMED, "every pod acknowledged it")
    reason, message = _undelivered(facts)
    return _of(facts, Type.PROGRAMMED, "False", reason, f"{done} of {len(pods)} pods acknowledged it; {message}")


def _latched(facts: PolicyFacts) -> bool:
    before = find(facts.conditions, Type.PROGRAMMED)
    return (
        before is not None
        and before["status"] == "True"
        and before["reason"] == Reason.PROGRAMMED
        and before.get("observedGeneration") == facts.generation
    )


def _undelivered(facts: PolicyFacts) -> tuple[Reason, str]:
    """The worst of what keeps pods from having it, in the sidecar's own words where it has any."""
    standings: dict[str, list[PodFacts]] = {}
    for workload, pod in facts.pods():
        if workload.wanted is not None and pod.entry.sidecar:
            standings.setdefault(pod.state.standing(workload.wanted), []).append(pod)
    for standing, reason in (("Rejected", Reason.REJECTED), ("Unreachable", Reason.PODS_UNREACHABLE)):
        if found := standings.get(standing):
            said = found[0].state
            words = (
                f"{said.reason}: {said.message}" if standing == "Rejected" else f"{said.message}; the volume brings it within about 90 s"
            )
            return reason, f"{_names(p.entry.name for p in found)}: {words}"
    waiting = [p for s in ("Pending", "Unsupported") for p in standings.get(s, ())]
    if not waiting:
        return Reason.PROGRESSING, "the others have no sidecar"
    said = waiting[0].state
    return Reason.PROGRESSING, f"waiting for {_names(p.entry.name for p in waiting)}" + (f" ({said.reason})" if said.reason else "")


def enforced(facts: PolicyFacts) -> Condition | None:
    """It changes traffic: not shadowed, disabled or overridden. Not said of a policy that stands before no pool yet."""
    if facts.entry.problem:
        return None
    found = [f for f in facts.findings() if f.type == Type.ENFORCED and f.rule is None]
    if not found and facts.entry.kind != CONNECTION_POOL.kind:
        found = [f for f in enforced_by_mode(facts.entry.resource(), ()) if f.status != "True"]
        if not found:
            return None
    if any(f.reason == Reason.CONFLICTED for f in facts.findings()) and facts.entry.kind == CONNECTION_POOL.kind:
        return _of(facts, Type.ENFORCED, "False", Reason.OVERRIDDEN, "an older ConnectionPool has this upstream")
    reasons = {f.reason for f in found if f.status != "True"}
    for reason in WORST_ENFORCED:
        if reason in reasons:
            # Lost on one pool and in force on another: a part of it is in force.
            mixed = reason == Reason.OVERRIDDEN and any(f.status == "True" for f in found)
            said = _messages(f for f in found if f.reason == reason)
            return _of(facts, Type.ENFORCED, "False", Reason.PARTIALLY_ENFORCED if mixed else reason, said)
    return _of(facts, Type.ENFORCED, "True", Reason.ENFORCED, _messages(found) or "in force")


def warned(facts: PolicyFacts) -> Condition | None:
    """Accepted but doubtful; there only when there's something to say."""
    if facts.entry.problem:
        return None
    found = warning(facts.entry.resource())
    return _of(facts, Type.WARNING, "True", found[0].reason, _messages(found)) if found else None


CHECKS: Final[Sequence[Callable[[PolicyFacts], Condition | None]]] = (accepted, resolved_refs, injected, programmed, enforced, warned)


def _of(facts: PolicyFacts, type_: Type, status: Status, reason: str, message: str) -> Condition:
    return condition(type_, status, reason, message, facts.generation)


def _messages(findings: Iterable[Finding]) -> str:
    return "; ".join(dict.fromkeys(f.message for f in findings))


def _names(names: Iterable[str]) -> str:
    """The first few, and how many more: a message is read by people and has a bound."""
    found = sorted(names)
    more = len(found) - NAMED
    return ", ".join(found[:NAMED]) + (f" and {more} more" if more > 0 else "")
