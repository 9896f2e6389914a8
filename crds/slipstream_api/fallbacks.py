"""Whether fallbacks to other pools lead anywhere: to a pool that is there, and never back. Pure; for the compiler and for sidecars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstream_api.config import Pool


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A step of a rule of `pool` that can't be taken."""

    pool: str
    policy: str
    rule: str
    to: str
    why: str


def dead_ends(pools: Sequence[Pool]) -> tuple[DeadEnd, ...]:
    """Steps to pools that aren't among `pools`, and those that close a circle; of a circle the last one, by the order of `pools`."""
    names = {pool.name for pool in pools}
    ways: dict[str, set[str]] = {name: set() for name in names}
    found = []
    for pool in pools:
        for rule in pool.breaker_rules:
            for to in (step.pool for step in rule.fallback if step.type == "Upstream"):
                if to not in names:
                    found.append(DeadEnd(pool.name, rule.policy, rule.name, to, "it isn't a pool of this workload"))
                elif _leads(ways, to, pool.name):
                    found.append(DeadEnd(pool.name, rule.policy, rule.name, to, f"it leads back to {pool.name}"))
                else:
                    ways[pool.name].add(to)
    return tuple(found)


def _leads(ways: dict[str, set[str]], start: str, end: str) -> bool:
    seen, ahead = set(), [start]
    while ahead:
        here = ahead.pop()
        if here == end:
            return True
        if here not in seen:
            seen.add(here)
            ahead += ways[here]
    return False
