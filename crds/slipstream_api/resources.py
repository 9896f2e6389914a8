"""A policy or load test as data: who it is, since when, and its spec. Pure; knows nothing of where it came from."""

from __future__ import annotations

from dataclasses import dataclass

from slipstream_api.models import Model


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `creation_timestamp`: RFC 3339, empty in a file, where nothing is older than anything else."""

    kind: str
    namespace: str
    name: str
    spec: Model
    uid: str = ""
    generation: int = 0
    creation_timestamp: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts the older first, then by namespace and name (GEP-713); without a timestamp after all that have one."""
        return (self.creation_timestamp or "9999", self.namespace, self.name)
