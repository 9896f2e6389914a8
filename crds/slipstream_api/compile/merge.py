"""Rules of several policies on one pool become one list: a name that is there twice belongs to the older policy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from slipstream_api import config as c
from slipstream_api.compile import render
from slipstream_api.compile.findings import Finding, finding
from slipstream_api.compile.order import specificity
from slipstream_api.conditions import Reason, Type
from slipstream_api.models import CachePolicySpec, CircuitBreakerSpec
from slipstream_api.resources import Resource


@dataclass(slots=True)
class Merged:
    """What stands before one pool, in matching order."""

    cache_rules: tuple[c.CacheRule, ...] = ()
    invalidations: tuple[c.Invalidation, ...] = ()
    warming: tuple[c.Warming, ...] = ()
    breaker_rules: tuple[c.BreakerRule, ...] = ()
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """Who has which rule name of one sort on one pool."""

    what: str
    pool: str
    owners: dict[str, Resource] = field(default_factory=dict)

    def take(self, name: str, policy: Resource, findings: list[Finding]) -> bool:
        owner = self.owners.setdefault(name, policy)
        if owner is policy:
            return True
        message = (
            f"{self.what} {name}: {owner.kind} {owner.name} is older and has a {self.what} of that name for ConnectionPool {self.pool}: "
            f"rename it here, or remove it there"
        )
        findings.append(finding(policy, Type.ENFORCED, "False", Reason.PARTIALLY_ENFORCED, message, rule=name))
        return False


def merge(pool: Resource, policies: Sequence[Resource]) -> Merged:
    """The rules of `policies` (oldest first) for one pool. A Disabled policy contributes nothing."""
    merged = Merged()
    rules, ends, circuits = (_Names(what, pool.name) for what in ("rule", "invalidation", "rule"))
    cache: list[c.CacheRule] = []
    invalidations: list[c.Invalidation] = []
    breakers: list[c.BreakerRule] = []
    for policy in policies:
        spec = policy.spec
        if isinstance(spec, CachePolicySpec) and spec.mode != "Disabled":
            cache += [render.cache_rule(r, policy.name, spec.mode) for r in spec.rules if rules.take(r.name, policy, merged.findings)]
            merged.warming += render.warming(policy.name, spec)
            invalidations += [render.invalidation(i, policy.name) for i in spec.invalidations if ends.take(i.name, policy, merged.findings)]
        elif isinstance(spec, CircuitBreakerSpec) and spec.mode != "Disabled":
            breakers += [render.breaker_rule(r, policy.name, spec) for r in spec.rules if circuits.take(r.name, policy, merged.findings)]
    merged.cache_rules = tuple(sorted(cache, key=lambda r: specificity(r.match, r.name)))
    merged.invalidations = tuple(sorted(invalidations, key=lambda r: specificity(r.match, r.name)))
    merged.breaker_rules = tuple(sorted(breakers, key=lambda r: specificity(r.match, r.name)))
    return merged
