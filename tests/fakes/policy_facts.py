"""Facts about policies as the checks see them: compiled for real, with pods in any state."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from slipstream_api.compile import compile as compile_config
from slipstream_api.sidecar import Refusal
from slipstream_operator.delivery.standing import PodState, Wanted
from slipstream_operator.entries import pod_entry
from slipstream_operator.kube.kinds import BY_NAME
from slipstream_operator.policies import PolicyEntry, policy_entry
from slipstream_operator.reconcile.facts import PodFacts, PolicyFacts, WorkloadFacts
from slipstream_operator.reconcile.policy import target_of
from tests.fakes import policies as make

WANTED = Wanted("r" * 64, 7)
OLD = "o" * 64
ACKED = PodState().acknowledged(WANTED.revision, WANTED.sequence)
NUMBERS: Iterator[int] = itertools.count(1)


def entry(manifest: dict[str, Any], *, generation: int = 1, created: str = "2026-01-01T00:00:00Z") -> PolicyEntry:
    meta = {**manifest["metadata"], "uid": f"uid-{next(NUMBERS)}", "generation": generation, "creationTimestamp": created}
    return policy_entry(BY_NAME[manifest["kind"]], {**manifest, "metadata": meta})


def pod(state: PodState = ACKED, **options: Any) -> PodFacts:
    found = pod_entry(make.pod(**options))
    assert found is not None
    return PodFacts(found, state)


def facts(
    subject: dict[str, Any],
    *others: dict[str, Any],
    pods: tuple[PodFacts, ...] = (),
    compiled: bool = True,
    observed: Mapping[str, Any] | None = None,
) -> PolicyFacts:
    """Facts about `subject` beside older `others`, all of the workload agent, compiled for real."""
    mine = entry(subject, created="2026-02-01T00:00:00Z")
    rest = [entry(other) for other in others]
    everything = [mine, *rest]
    readable = [e.resource() for e in everything if not e.problem]
    pools = tuple(
        e.resource() for e in everything if e.kind == "ConnectionPool" and (e is mine or e.name in mine.targets) and not e.problem
    )
    workloads: tuple[WorkloadFacts, ...] = ()
    if any("agent" in e.targets for e in everything if e.kind == "ConnectionPool" and e.name in (mine.name, *mine.targets)):
        made = compile_config(make.NS, "agent", readable)
        findings = tuple(f for f in made.findings if (f.kind, f.name) == (mine.kind, mine.name))
        workloads = (WorkloadFacts("agent", compiled and not mine.problem, WANTED, findings, pods),)
    return PolicyFacts(mine, pools, tuple(map(target_of, pools)), workloads, observed or {})


def refused(message: str) -> PodState:
    """A pod that keeps what it had."""
    return PodState(seen=True, revision=OLD).refused(WANTED, Refusal(reason="Invalid", message=message))


def unreachable() -> PodState:
    return PodState(seen=True, revision=OLD).unreachable("10.0.0.1:15990 can't be reached: timeout", 5.0)
