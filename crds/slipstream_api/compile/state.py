"""What can be said about a policy without a pod: its mode, its lost rules, its fields that nothing enforces yet,
its steps that are never taken. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slipstream_api.compile.findings import Finding, finding
from slipstream_api.conditions import Reason, Type
from slipstream_api.enforcement import not_enforced
from slipstream_api.fallbacks import DeadEnd, never_taken
from slipstream_api.models import CachePolicySpec, CircuitBreakerSpec
from slipstream_api.resources import Resource


def warning(resource: Resource) -> tuple[Finding, ...]:
    """Warnings that name the fields that are accepted but not enforced, and the steps of fallback chains whose turn never comes."""
    found = []
    if fields := not_enforced(resource):
        message = f"accepted, but not enforced by this version: {', '.join(fields)}"
        found.append(finding(resource, Type.WARNING, "True", Reason.NOT_ENFORCED, message))
    if idle := _idle_steps(resource):
        found.append(finding(resource, Type.WARNING, "True", Reason.NEVER_TAKEN, f"never taken: {'; '.join(idle)}"))
    return tuple(found)


def _idle_steps(resource: Resource) -> list[str]:
    if not isinstance(resource.spec, CircuitBreakerSpec):
        return []
    chains = ((rule.name, never_taken((step.type, step.causes) for step in rule.fallback)) for rule in resource.spec.rules)
    return [f"rules[{name}].fallback[{type_}]: {why}" for name, idle in chains for type_, why in idle]


def without_pool(policy: Resource, lost: Finding) -> Finding:
    """Enforced=False of a policy before a pool that has lost its upstream to an older one (the finding about that pool)."""
    message = f"ConnectionPool {lost.name} isn't in force, and so nothing before it is: {lost.message}"
    return finding(policy, Type.ENFORCED, "False", Reason.OVERRIDDEN, message)


def enforced(policy: Resource, lost: Sequence[Finding], pools: int = 1, broken: Sequence[DeadEnd] = ()) -> tuple[Finding, ...]:
    """Enforced (and Accepted=False where nothing is left) of a policy before so many pools; `lost`: one for each rule lost on a pool,
    `broken`: its steps that can't be taken."""
    mode = getattr(policy.spec, "mode", "Enforce")
    if mode == "Disabled":
        return (finding(policy, Type.ENFORCED, "False", Reason.DISABLED, "spec.mode is Disabled"),)
    if mode == "Shadow":
        return (finding(policy, Type.ENFORCED, "False", Reason.SHADOWED, "spec.mode is Shadow: it is measured and changes nothing"),)
    if not lost and not broken:
        message = "in force" if mode == "Enforce" else f"in force: spec.mode is {mode}"
        return (finding(policy, Type.ENFORCED, "True", Reason.ENFORCED, message),)
    left_out = {f"rule {end.rule}: the fallback to ConnectionPool {end.to} is left out, since {end.why}" for end in broken}
    message = "; ".join(sorted({f.message for f in lost} | left_out))
    if lost and len({f.message for f in lost}) == len(_names(policy)) * pools:
        return (
            finding(policy, Type.ACCEPTED, "False", Reason.CONFLICTED, message),
            finding(policy, Type.ENFORCED, "False", Reason.OVERRIDDEN, message),
        )
    return (finding(policy, Type.ENFORCED, "False", Reason.PARTIALLY_ENFORCED, message),)


def _names(policy: Resource) -> set[tuple[str | None, str]]:
    if isinstance(policy.spec, CachePolicySpec):
        return {(r.name, "rule") for r in policy.spec.rules} | {(i.name, "invalidation") for i in policy.spec.invalidations}
    if isinstance(policy.spec, CircuitBreakerSpec):
        return {(r.name, "rule") for r in policy.spec.rules}
    return set()
