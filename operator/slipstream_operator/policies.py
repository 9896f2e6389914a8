"""A policy as it is kept: its spec read once, its targets, its last status. Pure; a spec that can't be read is an entry with a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from slipstream_api.compile import fallback_names
from slipstream_api.models import SPECS
from slipstream_api.resources import Resource
from slipstream_operator.kube.kinds import CONNECTION_POOL, LOAD_TEST, Kind


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """One policy. `spec` is None where `problem` says why. `targets`: a pool's workloads, another policy's pools."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    resource_version: str = ""
    spec: Any = None
    problem: str = ""
    targets: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    deleting: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.namespace, self.name)

    def resource(self) -> Resource:
        """What `compile` takes; only for an entry without a problem."""
        return Resource(
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            generation=self.generation,
            creation_timestamp=self.created,
            spec=self.spec,
        )


def policy_entry(kind: Kind, body: Mapping[str, Any]) -> PolicyEntry:
    """The entry of a policy's body."""
    meta, raw = body["metadata"], body.get("spec") or {}
    spec, problem = _read(kind, raw)
    entry = PolicyEntry(
        kind=kind.kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        created=meta.get("creationTimestamp") or "",
        resource_version=meta.get("resourceVersion") or "",
        spec=spec,
        problem=problem,
        targets=_targets(kind, raw),
        status=dict(body.get("status") or {}),
        deleting=bool(meta.get("deletionTimestamp")),
    )
    return entry if problem else replace(entry, fallbacks=fallback_names(entry.resource()))


def _read(kind: Kind, raw: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        return SPECS[kind.kind].model_validate(dict(raw)), ""
    except ValidationError as error:
        # The API server refuses such a spec; it got in under an older CRD, or the CRD isn't this operator's.
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in ("spec", *first["loc"]))
        return None, f"{path}: {first['msg']}"


def _targets(kind: Kind, raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Also of a spec that can't be read, as far as that goes: its targets have to hear of it."""
    if kind is CONNECTION_POOL:
        names = raw.get("workloads") or ()
    elif kind is LOAD_TEST:
        names = ()
    else:
        names = [ref.get("name") for ref in raw.get("targetRefs") or () if isinstance(ref, Mapping)]
    return tuple(dict.fromkeys(str(name) for name in names if name))
