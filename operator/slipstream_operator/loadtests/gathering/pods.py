"""A runner pod's manifest as facts: its index, its phase, and what keeps or kept it from running. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from slipstream_operator.loadtests.facts import NO_SIDECAR, RunnerFacts
from slipstream_operator.names import LABEL_WORKLOAD, SIDECAR_CONTAINER

_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_HARMLESS: Final = frozenset({"ContainerCreating", "PodInitializing", "Completed", ""})


def runner_facts(pod: Mapping[str, Any]) -> RunnerFacts:
    """What is known of a runner without asking it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    workload = (meta.get("labels") or {}).get(LABEL_WORKLOAD) or ""
    trouble, detail = _trouble(pod, status, workload)
    return RunnerFacts(
        index=int((meta.get("annotations") or {}).get(_INDEX) or (meta.get("labels") or {}).get(_INDEX) or 0),
        pod=meta["name"],
        uid=meta["uid"],
        ip=status.get("podIP") or "",
        workload=workload,
        pod_phase=status.get("phase") or "Pending",
        trouble=trouble,
        detail=" ".join(detail.split()),
        since=_since(status),
    )


def oldest_first(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """So that the last one of an index is its youngest attempt."""
    return sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def _since(status: Mapping[str, Any]) -> float | None:
    """The latest start of its containers: the runner's comes last."""
    running = [(one.get("state") or {}).get("running") for one in status.get("containerStatuses") or ()]
    started = [str(one["startedAt"]) for one in running if one and one.get("startedAt")]
    return max((datetime.fromisoformat(one).timestamp() for one in started), default=None)


def _trouble(pod: Mapping[str, Any], status: Mapping[str, Any], workload: str) -> tuple[str, str]:
    """What keeps or kept it from running, and whoever found it out on that."""
    if status.get("reason"):  # Evicted, NodeLost
        return str(status["reason"]), str(status.get("message") or "")
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        for name in ("waiting", "terminated"):
            state = (container.get("state") or {}).get(name) or {}
            if str(state.get("reason") or "") not in _HARMLESS:
                return str(state["reason"]), str(state.get("message") or "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason") or "Unschedulable"), str(condition.get("message") or "")
    if workload and not any(c["name"] == SIDECAR_CONTAINER for c in pod["spec"].get("initContainers") or ()):
        return NO_SIDECAR, f"has no {SIDECAR_CONTAINER} container: is the injector there, and its webhook registered?"
    return "", ""
