"""Which TCP ports a pod's own containers use, as far as its manifest tells, and who says so. Pure.

Only declared and probed ports are visible here; what a program opens without saying so is the guide's matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slipstream_operator.names import SIDECAR_CONTAINER

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
HOOKS = ("postStart", "preStop")


def taken(pod_spec: Mapping[str, Any]) -> dict[int, str]:
    """Port → the first container that declares, probes or calls it on itself. Init containers count: the sidecar runs before them."""
    found: dict[int, str] = {}
    for container in [*(pod_spec.get("containers") or []), *(pod_spec.get("initContainers") or [])]:
        if container.get("name") == SIDECAR_CONTAINER:
            continue
        for port, how in _ports_of(container):
            found.setdefault(port, f"container {container.get('name', '')} {how} port {port}")
    return found


def _ports_of(container: Mapping[str, Any]) -> Iterable[tuple[int, str]]:
    names: dict[str, int] = {}
    for entry in container.get("ports") or []:
        port = _number(entry.get("containerPort"))
        if port is None:
            continue
        if entry.get("name"):
            names[str(entry["name"])] = port
        # UDP and SCTP have ports of their own: they exclude nobody on TCP.
        if entry.get("protocol", "TCP") == "TCP":
            yield port, "declares"
    for name in PROBES:
        yield from ((port, "probes") for port in _checked(container.get(name) or {}, names))
    for name in HOOKS:
        yield from ((port, "calls") for port in _checked((container.get("lifecycle") or {}).get(name) or {}, names))


def _checked(handler: Mapping[str, Any], names: Mapping[str, int]) -> Iterable[int]:
    """Ports of the pod itself that a probe or hook opens; one with a `host` of its own asks somebody else."""
    for kind in ("httpGet", "tcpSocket", "grpc"):
        action = handler.get(kind) or {}
        if action.get("host"):
            continue
        wanted = action.get("port")
        port = names.get(wanted) if isinstance(wanted, str) and wanted in names else _number(wanted)
        if port is not None:
            yield port


def _number(value: Any) -> int | None:
    """The kubelet takes "8080" for a number where no port has that name."""
    try:
        port = int(value)
    except (TypeError, ValueError):
        return None
    return port if 0 < port < 65536 else None
