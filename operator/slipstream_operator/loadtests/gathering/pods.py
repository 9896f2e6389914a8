"""A runner pod's manifest as facts: its index, its phase, and what keeps or kept it from running. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipstream_operator.loadtests.facts import RunnerFacts
from slipstream_operator.names import LABEL_WORKLOAD, SIDECAR_CONTAINER

_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_HARMLESS: Final = frozenset({"ContainerCreating", "PodInitializing", "Completed", ""})


def runner_facts(pod: Mapping[str, Any]) -> RunnerFacts:
    """What is known of a runner without asking it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    workload = (meta.get("labels") or {}).get(LABEL_WORKLOAD) or ""
    return RunnerFacts(
        index=int((meta.get("annotations") or {}).get(_INDEX) or (meta.get("labels") or {}).get(_INDEX) or 0),
        pod=meta["name"],
        uid=meta["uid"],
        ip=status.get("podIP") or "",
        workload=workload,
        pod_phase=status.get("phase") or "Pending",
        trouble=_trouble(pod, status, workload),
    )


def oldest_first(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """So that the last one of an index is its youngest attempt."""
    return sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def _trouble(pod: Mapping[str, Any], status: Mapping[str, Any], workload: str) -> str:
    if status.get("reason"):  # Evicted, NodeLost
        return str(status["reason"])
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        for state in ("waiting", "terminated"):
            reason = str(((container.get("state") or {}).get(state) or {}).get("reason") or "")
            if reason not in _HARMLESS:
                return reason
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason") or "Unschedulable")
    if workload and not any(c["name"] == SIDECAR_CONTAINER for c in pod["spec"].get("initContainers") or ()):
        return "NoSidecar"
    return ""
