"""Which run a LoadTest asks for: a key that is equal as long as nothing that matters to a run has changed. Pure.

At most one run per key: neither a restart of the operator nor a re-sync from Git starts a second one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from slipstream_api.config import canonical

# Changing these doesn't make another measurement: they steer or keep runs.
NOT_PART_OF_A_RUN: Final = frozenset({"suspend", "history", "ttlAfterFinished", "schedule", "rerun", "triggers", "queue", "activeDeadline"})
UNSETTLED: Final = "unsettled"  # what a run measured while its policies or its target were changing: equal to no digest

Why = Literal["SpecChanged", "Rerun", "Schedule", "PolicyChange", "Rollout"]
_WHYS: Final[tuple[tuple[str, Why], ...]] = (
    ("spec", "SpecChanged"),
    ("rerun", "Rerun"),
    ("tick", "Schedule"),
    ("policies", "PolicyChange"),
    ("rollout", "Rollout"),
)


@dataclass(frozen=True, slots=True)
class RunKey:
    """`spec` and the digests: 12 hex digits; `tick`: RFC 3339; empty where there is nothing of the kind."""

    spec: str = ""
    rerun: str = ""
    tick: str = ""
    policies: str = ""
    rollout: str = ""

    def __str__(self) -> str:
        return "/".join(f"{name}:{getattr(self, name)}" for name, _ in _WHYS)

    def differs(self, last: RunKey) -> Why | None:
        """Why this key asks for another run than `last`; the first reason counts, the rest joins the same run."""
        return next((why for name, why in _WHYS if getattr(self, name) != getattr(last, name)), None)

    def of_spec(self, spec: Mapping[str, Any]) -> RunKey:
        """The same key for this spec as the API server holds it."""
        matters = {field: value for field, value in spec.items() if field not in NOT_PART_OF_A_RUN}
        return replace(self, spec=spec_digest(matters), rerun=str(spec.get("rerun", "")))


def parse_key(text: str) -> RunKey:
    """The key in a status; one that isn't a key is equal to none. `rerun` is the user's text and may hold any character."""
    head, found, rest = text.partition("/rerun:")
    if not found:
        return RunKey(spec="?")
    rest, _, rollout = rest.rpartition("/rollout:") if "/rollout:" in rest else (rest, "", "")
    rest, _, policies = rest.rpartition("/policies:") if "/policies:" in rest else (rest, "", "")
    rerun, _, tick = rest.rpartition("/tick:")
    return RunKey(head.removeprefix("spec:"), rerun, tick, policies, rollout)


def run_key(spec: Mapping[str, Any], tick: str = "") -> str:
    """The key of a first run of a spec."""
    return str(RunKey(tick=tick).of_spec(spec))


def spec_digest(spec: Any) -> str:
    """12 hex digits of a spec, or of a part of one, by which two are told apart in a status."""
    return hashlib.sha256(canonical(spec)).hexdigest()[:12]
