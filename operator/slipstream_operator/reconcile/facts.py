"""What is known about one policy at one moment: plain data that the checks look at. Pure; nothing here is fetched or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipstream_api.compile import Finding
from slipstream_api.resources import Resource
from slipstream_operator.delivery.standing import PodState, Wanted
from slipstream_operator.entries import PodEntry
from slipstream_operator.policies import PolicyEntry


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """A pool that the policy is for, or is: what a pod needs to reach it."""

    name: str
    host: str
    port: int
    alias: bool
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A live pod of a workload, and its sidecar's last word."""

    entry: PodEntry
    state: PodState = field(default_factory=PodState)


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """A workload that the policy is for. `compiled`: its configuration is made of this very generation of the policy."""

    name: str
    compiled: bool = False
    wanted: Wanted | None = None
    findings: tuple[Finding, ...] = ()
    pods: tuple[PodFacts, ...] = ()

    def acknowledged(self) -> tuple[PodFacts, ...]:
        """Pods that have what they are to have."""
        wanted = self.wanted
        if wanted is None or not self.compiled:
            return ()
        return tuple(pod for pod in self.pods if pod.entry.sidecar and pod.state.standing(wanted) == "Acknowledged")


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Everything about one policy. `pools`: those that it is for and that are there, or itself; `others`: those
    that its fallbacks lead to and that are there. `observed`: its status as it is."""

    entry: PolicyEntry
    pools: tuple[Resource, ...] = ()
    targets: tuple[PoolTarget, ...] = ()
    workloads: tuple[WorkloadFacts, ...] = ()
    observed: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Resource, ...] = ()

    @property
    def generation(self) -> int:
        return self.entry.generation

    @property
    def conditions(self) -> Sequence[Mapping[str, Any]]:
        """As they are now."""
        return self.observed.get("conditions") or ()

    def findings(self) -> Iterator[Finding]:
        """What compiling said about this policy, of every workload that has this generation."""
        for workload in self.workloads:
            if workload.compiled:
                yield from workload.findings

    def pods(self) -> Iterator[tuple[WorkloadFacts, PodFacts]]:
        for workload in self.workloads:
            for pod in workload.pods:
                yield workload, pod

    def settled(self) -> bool:
        """Every workload's configuration is made of this generation."""
        return bool(self.workloads) and all(workload.compiled for workload in self.workloads)
