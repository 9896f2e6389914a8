"""From policies to one workload's configuration, and what is to be said about each policy. Pure: no clock, no I/O.

    resources ──attach──▶ pools and their policies ──merge──▶ rules in matching order ──render──▶ RuntimeConfig, revision, findings

The same inputs in any order give the same bytes. Deletions, statuses and labels of a resource don't matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstream_api import config as c
from slipstream_api.compile import render
from slipstream_api.compile.attach import fallback_names, policies_for, policies_targeting, pools_of, resolve_refs
from slipstream_api.compile.findings import Finding
from slipstream_api.compile.merge import Merged, merge
from slipstream_api.compile.places import Placement, places
from slipstream_api.compile.state import enforced, warning, without_pool
from slipstream_api.fallbacks import DeadEnd, dead_ends
from slipstream_api.models import CachePolicySpec, ConnectionPoolSpec
from slipstream_api.resources import Resource

__all__ = ["Compiled", "Finding", "Placement", "compile", "fallback_names", "resolve_refs", "warning"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A workload's configuration, its revision (sha256, hex) and the findings about every policy that is part of it."""

    config: c.RuntimeConfig
    revision: str
    findings: tuple[Finding, ...]


def compile(  # noqa: A001 - the word of the design; imported by name
    namespace: str, workload: str, resources: Sequence[Resource], placement: Placement = "Sidecar"
) -> Compiled:
    """What the sidecars of `workload` enforce, of all the resources (of any namespace, in any order)."""
    pools, lost_pools = pools_of(namespace, workload, resources)
    where = places(namespace, pools, placement)
    merged = {pool.name: merge(pool, policies_for(pool, resources)) for pool in pools}
    rendered = tuple(_render(pool, where[pool.name], merged[pool.name]) for pool in sorted(pools, key=lambda p: p.name))
    broken = dead_ends(rendered)
    rendered = tuple(render.without(pool, broken) for pool in rendered)
    config = c.RuntimeConfig(namespace=namespace, workload=workload, pools=rendered, stores=_stores(namespace, rendered, resources))
    return Compiled(config, c.revision(config), _findings(pools, merged, lost_pools, resources, broken))


def _render(pool: Resource, where: tuple[tuple[c.Bind, ...], tuple[c.Passthrough, ...]], merged: Merged) -> c.Pool:
    assert isinstance(pool.spec, ConnectionPoolSpec)
    return render.pool(pool.name, pool.spec, *where, merged.cache_rules, merged.invalidations, merged.warming, merged.breaker_rules)


def _stores(namespace: str, pools: Sequence[c.Pool], resources: Sequence[Resource]) -> tuple[c.StoreConfig, ...]:
    """One store for each CachePolicy that still has a rule."""
    used = {rule.store for pool in pools for rule in pool.cache_rules}
    specs = {r.name: r.spec for r in resources if r.namespace == namespace and isinstance(r.spec, CachePolicySpec)}
    return tuple(render.store(name, spec) for name, spec in sorted(specs.items()) if name in used)


def _findings(
    pools: Sequence[Resource],
    merged: dict[str, Merged],
    lost_pools: Sequence[Finding],
    resources: Sequence[Resource],
    broken: Sequence[DeadEnd],
) -> tuple[Finding, ...]:
    """Of the pools, and of each policy once, whatever number of pools it is for."""
    lost = [f for m in merged.values() for f in m.findings]
    behind: dict[tuple[str, str], tuple[Resource, int]] = {}  # each policy, and how many of the pools it stands before
    for pool in pools:
        for policy in policies_for(pool, resources):
            behind[policy.kind, policy.name] = (policy, behind.get((policy.kind, policy.name), (policy, 0))[1] + 1)
    found = list(lost_pools)
    for pool in pools:
        found += warning(pool)
    for policy, number in behind.values():
        of_policy = [f for f in lost if (f.kind, f.name) == (policy.kind, policy.name)]
        ends = [end for end in broken if end.policy == policy.name and policy.kind == "CircuitBreaker"]
        found += [resolve_refs(policy, resources), *enforced(policy, of_policy, number, ends), *of_policy, *warning(policy)]
    for pool_lost in lost_pools:
        for policy in policies_targeting(pool_lost.namespace, pool_lost.name, resources):
            found += [resolve_refs(policy, resources), without_pool(policy, pool_lost), *warning(policy)]
    return tuple(sorted(set(found), key=lambda f: (f.kind, f.name, f.type, f.rule or "", f.message)))
