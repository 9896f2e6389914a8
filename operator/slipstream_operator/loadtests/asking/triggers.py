"""Whether policies or the target have changed since the last run, and have been quiet long enough. Pure; times are unix seconds.

What was seen last and since when is in the status, so that a restart neither forgets a change nor begins its quiet time anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from slipstream_operator.loadtests.asking.runkey import UNSETTLED, spec_digest


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """A policy on the pool. `programmed`: this generation is in force in all pods."""

    kind: str
    name: str
    generation: int
    programmed: bool


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod behind the target's Service. `template`: hash of the pod template that it was made from."""

    uid: str
    template: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is of one trigger's subject: a digest, and whether it is as it should be (all in force; all ready)."""

    digest: str
    steady: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """`component`: of the run key. `note`: what the status has to remember, None when it does already. `again`: seconds to look again."""

    component: str
    note: Mapping[str, Any] | None = None
    again: float | None = None


def of_policies(seen: Iterable[PolicySeen]) -> Sight | None:
    """None when nothing is known of them (yet)."""
    known = sorted(seen, key=lambda p: (p.kind, p.name))
    if not known:
        return None
    return Sight(spec_digest([[p.kind, p.name, p.generation] for p in known]), all(p.programmed for p in known))


def of_pods(seen: Iterable[PodSeen]) -> Sight | None:
    """None without any pod: scaled to nothing is no rollout. Scaling and replaced pods of the same template are none either."""
    known = list(seen)
    if not known:
        return None
    return Sight(spec_digest(sorted({p.template or p.uid for p in known})), all(p.ready for p in known))


def settle(
    name: Literal["policies", "rollout"], sight: Sight | None, last: str, noted: Mapping[str, Any], quiet: float, now: float, since: str
) -> Settled:
    """The component of the key that a subject asks for now. `last`: of the last run's key; `noted`: what the status remembers of it
    (`digest`, `since` as unix seconds); `since`: now, as the status writes it.

    While it changes, and for `quiet` seconds after, the last run's component stays, so that nothing is asked for.
    """
    if sight is None:
        return Settled(last)
    if noted.get("digest") != sight.digest or bool(noted.get("steady")) != sight.steady:
        note: dict[str, Any] = {name: {"digest": sight.digest, "steady": sight.steady, "since": since}}
        return Settled(last or UNSETTLED, note, again=quiet)
    left = float(noted.get("since_unix") or now) + quiet - now
    if sight.steady and (left <= 0 or sight.digest == last):
        return Settled(sight.digest)
    return Settled(last or UNSETTLED, again=max(left, 0.0) if sight.steady else None)
