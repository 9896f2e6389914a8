"""A decided injection as JSON patch (RFC 6902). Pure; adds, never replaces or removes what the pod's owner wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slipstream_operator.names import ANNOTATION_STATUS

Op = dict[str, Any]


def build(
    pod: Mapping[str, Any],
    *,
    container: Mapping[str, Any],
    volumes: Sequence[Mapping[str, Any]],
    host_aliases: Sequence[Mapping[str, Any]],
    variables: Mapping[str, str],
    status: str,
) -> tuple[Op, ...]:
    """Paths count in the pod as it was, so what shifts them comes last: the sidecar goes in front of the init containers."""
    spec, metadata = pod["spec"], pod.get("metadata") or {}
    ops: list[Op] = []
    for group in ("containers", "initContainers"):
        for index, other in enumerate(spec.get(group) or []):
            ops += _environment(f"/spec/{group}/{index}", other, variables)
    ops += _append("/spec/volumes", spec.get("volumes"), volumes)
    if host_aliases:
        ops += _append("/spec/hostAliases", spec.get("hostAliases"), host_aliases)
    ops += _annotate(metadata, status)
    if spec.get("initContainers"):
        ops.append(_add("/spec/initContainers/0", container))
    else:
        ops.append(_add("/spec/initContainers", [container]))
    return tuple(ops)


def _environment(path: str, container: Mapping[str, Any], variables: Mapping[str, str]) -> list[Op]:
    """In front, so that the container's own variables can refer to them as $(NAME); what the user set stays."""
    own = container.get("env") or []
    names = {entry.get("name") for entry in own}
    new = [{"name": name, "value": variables[name]} for name in sorted(variables) if name not in names]
    if not new:
        return []
    if not own:
        return [_add(f"{path}/env", new)]
    return [_add(f"{path}/env/{index}", entry) for index, entry in enumerate(new)]


def _append(path: str, own: Sequence[Any] | None, new: Sequence[Mapping[str, Any]]) -> list[Op]:
    if not own:
        return [_add(path, list(new))]
    return [_add(f"{path}/-", entry) for entry in new]


def _annotate(metadata: Mapping[str, Any], status: str) -> list[Op]:
    """`add` on a member that exists replaces it: a status that a user copied from another pod is worth nothing."""
    if not metadata.get("annotations"):
        return [_add("/metadata/annotations", {ANNOTATION_STATUS: status})]
    return [_add(f"/metadata/annotations/{ANNOTATION_STATUS.replace('~', '~0').replace('/', '~1')}", status)]


def _add(path: str, value: Any) -> Op:
    return {"op": "add", "path": path, "value": value}
