"""The whole status of a policy: the summary condition, what kstatus sees, columns, targets, and when time alone changes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipstream_api.conditions import find
from slipstream_api.models.status import PolicyStatus
from slipstream_api.sidecar import CacheFigures, PoolStatus
from slipstream_operator.delivery.standing import PodState, Wanted
from slipstream_operator.reconcile.facts import PodFacts, PolicyFacts, PoolTarget, WorkloadFacts
from slipstream_operator.reconcile.policy import target_of
from slipstream_operator.reconcile.verdict import decide, timestamp
from tests.fakes import policies as make
from tests.fakes.policy_facts import ACKED, WANTED, entry, facts, pod, refused, unreachable

NOW = 1_770_000_000.0


def types(status: dict[str, Any]) -> set[str]:
    return {c["type"] for c in status["conditions"]}


def ready(status: dict[str, Any]) -> tuple[str, str]:
    found = find(status["conditions"], "Ready")
    assert found is not None
    return found["status"], found["reason"]


def test_all_well_is_ready_and_nothing_abnormal() -> None:
    """kstatus: Current."""
    verdict = decide(facts(make.cache(), make.pool(), pods=(pod(),)), NOW)
    assert ready(verdict.status) == ("True", "Ready")
    assert types(verdict.status).isdisjoint({"Reconciling", "Stalled"})
    assert verdict.recheck is None


def test_a_shadowed_policy_is_ready() -> None:
    """It does what it was told; Enforced says what that is."""
    verdict = decide(facts(make.cache(mode="Shadow"), make.pool(), pods=(pod(),)), NOW)
    assert ready(verdict.status) == ("True", "Ready")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (facts(make.cache(surprise=1), make.pool()), "Invalid"),
        (facts(make.cache("late"), make.pool(), make.cache("early")), "Conflicted"),
        (facts(make.cache(), make.pool(), pods=(pod(refused("bad")),)), "Rejected"),
    ],
    ids=["invalid", "conflicted", "rejected"],
)
def test_what_only_a_person_can_mend_is_stalled_at_once(found: PolicyFacts, reason: str) -> None:
    """kstatus: Failed. It isn't reconciling as well."""
    verdict = decide(found, NOW)
    assert ready(verdict.status) == ("False", reason)
    assert find(verdict.status["conditions"], "Stalled")["reason"] == reason  # type: ignore[index]  # it is there
    assert "Reconciling" not in types(verdict.status)


def test_a_missing_target_is_stalled_only_after_a_grace_that_a_restart_doesnt_reset() -> None:
    """Things are applied in any order."""
    first = decide(facts(make.cache()), NOW, grace=60)
    assert ready(first.status) == ("False", "TargetNotFound")
    assert "Reconciling" in types(first.status)
    assert first.recheck == pytest.approx(60)
    later = decide(facts(make.cache(), observed=first.status), NOW + 50, grace=60)
    assert later.recheck == pytest.approx(10)
    at_last = decide(facts(make.cache(), observed=later.status), NOW + 60, grace=60)
    assert "Stalled" in types(at_last.status)
    assert "Reconciling" not in types(at_last.status)
    assert at_last.recheck is None


def test_a_pod_that_cant_be_reached_gets_more_time() -> None:
    """Its volume may bring it."""
    found = facts(make.cache(), make.pool(), pods=(pod(unreachable()),))
    verdict = decide(found, NOW, grace=60)
    assert ready(verdict.status) == ("False", "PodsUnreachable")
    assert verdict.recheck == pytest.approx(300)


def test_progress_is_reconciling_for_as_long_as_it_takes() -> None:
    """A rollout isn't a failure."""
    verdict = decide(facts(make.cache(), make.pool(), pods=(pod(PodState()),)), NOW)
    assert ready(verdict.status) == ("False", "Progressing")
    assert "Reconciling" in types(verdict.status)
    assert verdict.recheck is None


def test_the_worst_reason_is_the_first_of_the_chain() -> None:
    """A policy that isn't accepted needn't speak of its pods."""
    found = facts(make.cache("late"), make.pool(), make.cache("early"), pods=(pod(sidecar=False),))
    assert ready(decide(found, NOW).status) == ("False", "Conflicted")


def test_false_is_worse_than_unknown() -> None:
    """Injected is Unknown without a workload; what is known to be wrong comes first."""
    assert ready(decide(facts(make.cache()), NOW).status) == ("False", "TargetNotFound")


def test_times_move_with_status_only() -> None:
    """lastTransitionTime of a condition that says the same with another reason stays."""
    first = decide(facts(make.cache(), make.pool(), pods=(pod(PodState()),)), NOW)
    second = decide(facts(make.cache(), make.pool(), pods=(pod(refused("bad")),), observed=first.status), NOW + 100)
    condition = find(second.status["conditions"], "Programmed")
    assert condition is not None
    assert (condition["reason"], condition["lastTransitionTime"]) == ("Rejected", timestamp(NOW))
    third = decide(facts(make.cache(), make.pool(), pods=(pod(),), observed=second.status), NOW + 200)
    condition = find(third.status["conditions"], "Programmed")
    assert condition is not None
    assert condition["lastTransitionTime"] == timestamp(NOW + 200)


def test_pods_counts_who_acknowledged_of_who_is_there() -> None:
    """Without a sidecar a pod is there and can't acknowledge."""
    pods = (pod(), pod(PodState(), name="agent-2"), pod(name="agent-3", sidecar=False))
    assert decide(facts(make.cache(), make.pool(), pods=pods), NOW).status["summary"]["pods"] == "1/3"


def test_the_revision_is_shown_short_and_the_figure_only_when_there_is_one() -> None:
    """Empty members aren't written."""
    summary = decide(facts(make.cache(), make.pool()), NOW).status["summary"]
    assert summary == {"targets": "memory", "pods": "0/0", "revision": WANTED.revision[:12]}


def test_the_figure_comes_from_the_pods_own_words() -> None:
    """Two pods, 3 hits of 4."""
    said = PoolStatus(name="memory", cache=(CacheFigures(policy="memory", hits=3, misses=1),))
    state = PodState(seen=True, revision=WANTED.revision, pools=(said,))
    status = decide(facts(make.cache(), make.pool(), pods=(pod(state), pod(state, name="b"))), NOW).status
    assert status["summary"]["figure"] == "75%"


def test_targets_of_a_policy_are_pools_the_missing_first() -> None:
    """Each with how many of its pods have it."""
    status = decide(facts(make.cache(pools=("memory", "absent")), make.pool(), pods=(pod(), pod(PodState()))), NOW).status
    assert status["targets"] == [
        {"kind": "ConnectionPool", "name": "absent", "state": "NotFound", "reason": "TargetNotFound"},
        {"kind": "ConnectionPool", "name": "memory", "state": "Partial", "podsDesired": 2, "podsCurrent": 1},
    ]
    assert status["summary"]["targets"] == "memory +1"


def test_targets_of_a_pool_are_workloads_and_many_fold_into_one_status() -> None:
    """One status, however many workloads."""
    mine = entry(make.pool(workloads=("agent", "other")))
    target: PoolTarget = target_of(mine.resource())
    other = WorkloadFacts("other", True, Wanted("x" * 64, 1), (), (PodFacts(pod(name="o-1").entry, PodState()),))
    mine_facts = PolicyFacts(mine, (mine.resource(),), (target,), (WorkloadFacts("agent", True, WANTED, (), (pod(ACKED),)), other))
    status = decide(mine_facts, NOW).status
    assert [(t["name"], t["state"]) for t in status["targets"]] == [("other", "Pending"), ("agent", "Current")]
    assert status["summary"]["pods"] == "1/2"
    assert status["summary"]["revision"] == f"{'r' * 12} +1"


def test_the_status_fits_the_schema() -> None:
    """What the API server would prune or refuse isn't written: every member is the API's own, every text within its bound."""
    long = tuple(f"pool-{n:02}" for n in range(16))
    found = facts(make.cache(pools=long), pods=())
    status = decide(found, NOW).status
    PolicyStatus.model_validate_json(json.dumps(status))
    assert status["summary"]["targets"] == "pool-00 +15"
