"""Which pools a workload has, and which policies stand before each. Pure; decides nothing about rules.

Two pools of one workload with the same upstream would share an address: the older one has it, the other is Conflicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slipstream_api.compile.findings import Finding, finding
from slipstream_api.conditions import Reason, Type
from slipstream_api.models import CircuitBreakerSpec, ConnectionPoolSpec
from slipstream_api.resources import Resource

POLICY_KINDS = ("CachePolicy", "CircuitBreaker")


def upstream_of(pool: Resource) -> tuple[str, int]:
    """(host, port) of a pool's upstream; host names don't differ by case."""
    assert isinstance(pool.spec, ConnectionPoolSpec)
    return pool.spec.upstream.host.lower(), pool.spec.upstream.port


def pools_of(namespace: str, workload: str, resources: Iterable[Resource]) -> tuple[tuple[Resource, ...], tuple[Finding, ...]]:
    """The pools that a workload's sidecars carry, oldest first, and a finding for each that lost its upstream to an older one."""
    named = sorted((r for r in _pools(namespace, resources) if workload in r.spec.workloads), key=lambda r: r.age)  # type: ignore[attr-defined]  # narrowed by _pools
    owner: dict[tuple[str, int], Resource] = {}
    lost = []
    for pool in named:
        first = owner.setdefault(upstream_of(pool), pool)
        if first is not pool:
            host, port = upstream_of(pool)
            message = (
                f"ConnectionPool {first.name} is older and names {host}:{port} for workload {workload} already: "
                "use that pool, or take the workload out of one of the two"
            )
            lost.append(finding(pool, Type.ACCEPTED, "False", Reason.CONFLICTED, message))
    return tuple(owner.values()), tuple(lost)


def policies_for(pool: Resource, resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Policies that target a pool, oldest first."""
    return policies_targeting(pool.namespace, pool.name, resources)


def policies_targeting(namespace: str, pool: str, resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Policies that target the pool of that name, oldest first."""
    targeting = (r for r in resources if r.kind in POLICY_KINDS and r.namespace == namespace and pool in target_names(r))
    return tuple(sorted(targeting, key=lambda r: r.age))


def target_names(policy: Resource) -> tuple[str, ...]:
    """Names of the pools that a policy is for."""
    return tuple(ref.name for ref in policy.spec.target_refs)  # type: ignore[attr-defined]  # POLICY_KINDS have target_refs


def fallback_names(policy: Resource) -> tuple[str, ...]:
    """Names of the pools that a breaker's fallbacks lead to."""
    if not isinstance(policy.spec, CircuitBreakerSpec):
        return ()
    return tuple(dict.fromkeys(step.pool for rule in policy.spec.rules for step in rule.fallback if step.pool is not None))


def resolve_refs(policy: Resource, resources: Sequence[Resource]) -> Finding:
    """Whether every pool that a policy names is there, as a target or in a fallback; it needs no workload for that."""
    if policy.kind not in POLICY_KINDS:
        return finding(policy, Type.RESOLVED_REFS, "True", Reason.RESOLVED_REFS, "it refers to nothing")
    there = {pool.name for pool in _pools(policy.namespace, resources)}
    wanted = target_names(policy)
    missing = [name for name in wanted if name not in there]
    astray = [name for name in fallback_names(policy) if name not in there]
    if not missing and not astray:
        found = dict.fromkeys((*wanted, *fallback_names(policy)))
        return finding(policy, Type.RESOLVED_REFS, "True", Reason.RESOLVED_REFS, f"found {', '.join(found)}")
    if not missing:
        message = f"no ConnectionPool {', '.join(astray)} in namespace {policy.namespace}: create it, or correct spec.rules[].fallback"
        return finding(policy, Type.RESOLVED_REFS, "False", Reason.PARTIALLY_RESOLVED, message)
    reason = Reason.TARGET_NOT_FOUND if len(missing) == len(wanted) else Reason.PARTIALLY_RESOLVED
    message = f"no ConnectionPool {', '.join(missing)} in namespace {policy.namespace}: create it or correct spec.targetRefs"
    return finding(policy, Type.RESOLVED_REFS, "False", reason, message)


def _pools(namespace: str, resources: Iterable[Resource]) -> list[Resource]:
    return [r for r in resources if r.namespace == namespace and isinstance(r.spec, ConnectionPoolSpec)]
