"""What the operator asks of an API server, as a protocol: reconcilers see this, tests give them a fake. Holds no implementation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from slipstream_operator.kube.kinds import Kind

Object = dict[str, Any]  # a manifest, as JSON has it


class Kube(Protocol):
    """Every call is bounded in time and raises only `slipstream_operator.errors`."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """The object; NotFound where there is none."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> list[Object]:
        """All objects of a namespace, or of all; `labels` and `fields` are selectors for the server. `metadata_only` leaves spec and status
        behind."""
        ...

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """A new object; AlreadyExists where the name is taken."""
        ...

    async def update(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Replaces the object; Conflict where its resourceVersion isn't the latest."""
        ...

    async def apply(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Server-side apply as the operator's field manager, forced; creates what isn't there. No change, no new resourceVersion."""
        ...

    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        """Merge patch; None deletes a member, lists are replaced. metadata.resourceVersion in it: Conflict unless that is the latest."""
        ...

    async def patch_status(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        """Merge patch of the status subresource: `patch` as for `patch`, and nothing but its status takes effect."""
        ...

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Deletes in the background; NotFound where there is none, Conflict where `uid` is another's."""
        ...

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        """What a container has printed, as far as the node still has it; NotFound where there is no such pod."""
        ...

    async def close(self) -> None: ...
