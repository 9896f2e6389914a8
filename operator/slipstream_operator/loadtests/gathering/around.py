"""What else can make a LoadTest run: its schedule, the policies on its pool, the pods behind its target. Changes nothing.

Of the target it reads the Service by name and the pods of its selector: template hashes and readiness are all in their labels and status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from slipstream_api.models import LoadTestSpec
from slipstream_api.scalars import parse_duration
from slipstream_operator.errors import OperatorError
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import POD, SERVICE
from slipstream_operator.loadtests.asking.triggers import PodSeen, PolicySeen, Sight, of_pods, of_policies
from slipstream_operator.loadtests.facts import ScheduleFacts, Surroundings, Terms
from slipstream_operator.loadtests.target import Measurable

TEMPLATE_LABELS: Final = ("pod-template-hash", "controller-revision-hash")  # Deployments; StatefulSets and DaemonSets
Policies = Callable[[str, str], list[PolicySeen]]
"""The policies on a pool: namespace, name."""


async def surroundings(
    kube: Kube, namespace: str, spec: LoadTestSpec | None, target: Measurable | None, policies: Policies
) -> Surroundings:
    """Of a spec that can't be read there are none."""
    if spec is None:
        return Surroundings()
    pool = target.pool if target is not None else ""
    wanted = spec.triggers
    return Surroundings(
        schedule=_schedule(spec),
        on_policies=wanted.on_policy_change and spec.target.pool_ref is not None,
        on_rollout=wanted.on_target_rollout and spec.target.pool_ref is not None,
        policies=of_policies(policies(namespace, pool)) if pool and wanted.on_policy_change else None,
        rollout=await _rollout(kube, namespace, target) if target is not None and pool and wanted.on_target_rollout else None,
        settle=parse_duration(wanted.settle) / 1000,
    )


def terms(spec: LoadTestSpec) -> Terms:
    """On which terms a run of this spec is held."""
    return Terms(
        loss_policy=spec.runners.loss_policy,
        max_lost=0 if spec.runners.loss_policy == "Fail" else min(spec.runners.max_lost, spec.runners.count - 1),
        start_timeout=parse_duration(spec.runners.start_timeout) / 1000,
        active_deadline=parse_duration(spec.active_deadline) / 1000 if spec.active_deadline is not None else None,
    )


def service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """Namespace and name of the Service that a host name of the cluster stands for; None for any other host."""
    labels = host.rstrip(".").split(".")
    if len(labels) == 1:
        return namespace, labels[0]
    if len(labels) == 2 or labels[2] == "svc":
        return labels[1], labels[0]
    return None


def pod_seen(pod: Mapping[str, Any]) -> PodSeen | None:
    """None for one that is on its way out."""
    meta, status = pod["metadata"], pod.get("status") or {}
    if meta.get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    labels = meta.get("labels") or {}
    template = next((labels[name] for name in TEMPLATE_LABELS if name in labels), "")
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return PodSeen(meta["uid"], template, ready)


async def _rollout(kube: Kube, namespace: str, target: Measurable) -> Sight | None:
    """None for a target that is no Service with a selector; an API server that is away leaves what was known as it is."""
    where = service_of(target.host, namespace)
    if where is None:
        return None
    try:
        service = await kube.get(SERVICE, *where)
        selector = (service.get("spec") or {}).get("selector") or {}
        if not selector:
            return None
        pods = await kube.list(POD, where[0], labels=",".join(f"{name}={value}" for name, value in sorted(selector.items())))
    except OperatorError:
        return None
    return of_pods(seen for pod in pods if (seen := pod_seen(pod)) is not None)


def _schedule(spec: LoadTestSpec) -> ScheduleFacts | None:
    if spec.schedule is None:
        return None
    return ScheduleFacts(
        spec.schedule.cron,
        spec.schedule.time_zone,
        spec.schedule.concurrency_policy,
        parse_duration(spec.schedule.starting_deadline) / 1000,
    )
