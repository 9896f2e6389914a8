"""What is known of one pod's sidecar, and how it stands towards a revision. Pure: events in, new state out; no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec

from slipstream_api.config import SCHEMA_VERSION
from slipstream_api.sidecar import PoolStatus, Refusal, SidecarStatus

Standing = Literal["Acknowledged", "Rejected", "Unreachable", "Unsupported", "Pending"]
# Refusals that say nothing about the configuration: the volume brings new keys, a higher sequence is signed, or the pod is another.
TRANSIENT: Final = frozenset({"UnknownKey", "Replayed", "BadSignature", "WrongAudience", "Expired"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a workload's sidecars are to have. `since`: loop time of the change that made it."""

    revision: str
    sequence: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod's sidecar, as far as it has told. Nothing is known before its first answer (`seen`)."""

    seen: bool = False
    revision: str = ""
    sequence: int = 0
    via: Literal["", "File", "Push"] = ""  # how the revision in force got there
    schema_versions: tuple[int, ...] = (SCHEMA_VERSION,)
    rejected: str = ""  # revision that it refused last
    reason: str = ""
    message: str = ""  # the sidecar's words, or why it can't be reached
    unreachable_since: float | None = None
    pools: tuple[PoolStatus, ...] = ()

    def acknowledged(self, revision: str, sequence: int) -> PodState:
        return replace(
            self,
            seen=True,
            revision=revision,
            sequence=max(sequence, self.sequence),
            via="Push",
            rejected="",
            reason="",
            message="",
            unreachable_since=None,
        )

    def refused(self, wanted: Wanted, refusal: Refusal) -> PodState:
        """The configuration in force stays what it was."""
        rejected = "" if refusal.reason in TRANSIENT else wanted.revision
        return replace(self, rejected=rejected, reason=refusal.reason, message=refusal.message, unreachable_since=None)

    def unreachable(self, why: str, now: float) -> PodState:
        since = self.unreachable_since if self.unreachable_since is not None else now
        return replace(self, message=why, reason="Unreachable", unreachable_since=since)

    def reported(self, status: SidecarStatus) -> PodState:
        """An answer of /status: the truth about what is in force, also after a restart of either side."""
        via: Literal["", "File", "Push"] = "Push" if status.source == "Push" else "File" if status.source == "File" else ""
        state = replace(
            self,
            seen=True,
            revision=status.revision,
            sequence=status.sequence,
            via=via,
            schema_versions=status.schema_versions,
            pools=tuple(_timeless(pool) for pool in status.pools),
            unreachable_since=None,
        )
        if status.rejected is not None and status.rejected.reason not in TRANSIENT:
            return replace(state, rejected=status.rejected.revision, reason=status.rejected.reason, message=status.rejected.message)
        if state.reason == "Unreachable" or state.revision == state.rejected:
            return replace(state, rejected="", reason="", message="")
        return state

    def standing(self, wanted: Wanted) -> Standing:
        """Towards what it is to have. A refused revision is refused until another is wanted."""
        if self.seen and self.revision == wanted.revision:
            return "Acknowledged"
        if SCHEMA_VERSION not in self.schema_versions:
            return "Unsupported"
        if self.rejected and self.rejected == wanted.revision:
            return "Rejected"
        return "Unreachable" if self.unreachable_since is not None else "Pending"


def _timeless(pool: PoolStatus) -> PoolStatus:
    """Without what changes while nothing happens, so that an idle pod's state stays equal."""
    circuits = tuple(msgspec.structs.replace(circuit, since_ms=0) for circuit in pool.circuits)
    return msgspec.structs.replace(pool, circuits=circuits)
