"""Whether steps of fallback chains can be taken: each at all, and to other pools only to those that are there, and never back. Pure; for
the compiler and for sidecars."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from slipstream_api.config import Cause, Pool

_ALWAYS: Final = ("Static", "FailFast")  # these need nothing but a cause
_ANSWERED: Final = "UpstreamStatus"  # what the upstream did say is replaced by another answer, never by a text


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


def never_taken(steps: Iterable[tuple[str, Collection[str]]]) -> tuple[tuple[str, str], ...]:
    """(type, why) of the steps of one chain, each given as (type, causes, none for all), whose turn never comes."""
    open_causes = set(get_args(Cause))  # those that no step before has answered for good
    found = []
    for type_, causes in steps:
        own = set(causes or get_args(Cause))
        if type_ in _ALWAYS:
            own.discard(_ANSWERED)
        if not own:
            found.append((type_, "an answer that the upstream gave is replaced by StaleCache and Upstream only"))
        elif own.isdisjoint(open_causes):
            found.append((type_, "a step before it answers whenever it could"))
        if type_ in _ALWAYS:
            open_causes -= own
    return tuple(found)
