"""Every reason that a policy's condition can give is reached by an example, and nothing is True that isn't known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from slipstream_api.conditions import POLICY_REASONS, Reason, Type, find
from slipstream_operator.delivery.standing import PodState
from slipstream_operator.reconcile.checks import CHECKS
from slipstream_operator.reconcile.facts import PolicyFacts
from tests.fakes import policies as make
from tests.fakes.policy_facts import facts, pod, refused, unreachable

Setup = Callable[[], PolicyFacts]


def conditions(found: PolicyFacts) -> list[dict[str, Any]]:
    return [c for check in CHECKS if (c := check(found)) is not None]


CONFLICT = ({"host": "memory-server", "port": 8080, "reason": "container app declares port 8080"},)
HOST_ALIAS = {"listen": {"intercept": "HostAlias"}}

CASES: dict[tuple[Type, Reason], tuple[str, Setup]] = {
    (Type.ACCEPTED, Reason.ACCEPTED): ("True", lambda: facts(make.cache(), make.pool())),
    (Type.ACCEPTED, Reason.INVALID): ("False", lambda: facts(make.cache(surprise=1), make.pool())),
    (Type.ACCEPTED, Reason.CONFLICTED): ("False", lambda: facts(make.cache("late"), make.pool(), make.cache("early"))),
    (Type.RESOLVED_REFS, Reason.RESOLVED_REFS): ("True", lambda: facts(make.cache(), make.pool())),
    (Type.RESOLVED_REFS, Reason.TARGET_NOT_FOUND): ("False", lambda: facts(make.cache())),
    (Type.RESOLVED_REFS, Reason.PARTIALLY_RESOLVED): ("False", lambda: facts(make.cache(pools=("memory", "absent")), make.pool())),
    (Type.INJECTED, Reason.INJECTED): ("True", lambda: facts(make.cache(), make.pool(), pods=(pod(),))),
    (Type.INJECTED, Reason.PODS_MISSING_SIDECAR): ("False", lambda: facts(make.cache(), make.pool(), pods=(pod(), pod(sidecar=False)))),
    (Type.INJECTED, Reason.PODS_OUTDATED): ("False", lambda: facts(make.cache(), make.pool(), pods=(pod(endpoints=(), aliases=()),))),
    (Type.INJECTED, Reason.PORT_CONFLICT): ("False", lambda: facts(make.pool(**HOST_ALIAS), pods=(pod(aliases=(), conflicts=CONFLICT),))),
    (Type.INJECTED, Reason.INJECTION_DISABLED): (
        "False",
        lambda: facts(make.cache(), make.pool(), pods=(pod(sidecar=False, annotations={"slipstream.dev/inject": "false"}),)),
    ),
    (Type.INJECTED, Reason.NO_PODS): ("True", lambda: facts(make.cache(), make.pool())),
    (Type.INJECTED, Reason.PENDING): ("Unknown", lambda: facts(make.cache())),
    (Type.PROGRAMMED, Reason.PROGRAMMED): ("True", lambda: facts(make.cache(), make.pool(), pods=(pod(), pod(name="agent-2")))),
    (Type.PROGRAMMED, Reason.PROGRESSING): ("False", lambda: facts(make.cache(), make.pool(), pods=(pod(), pod(PodState())))),
    (Type.PROGRAMMED, Reason.REJECTED): ("False", lambda: facts(make.cache(), make.pool(), pods=(pod(), pod(refused("$.pools[0]: bad"))))),
    (Type.PROGRAMMED, Reason.PODS_UNREACHABLE): ("False", lambda: facts(make.cache(), make.pool(), pods=(pod(), pod(unreachable())))),
    (Type.PROGRAMMED, Reason.NO_PODS): ("True", lambda: facts(make.cache(), make.pool())),
    (Type.PROGRAMMED, Reason.PENDING): ("Unknown", lambda: facts(make.cache())),
    (Type.ENFORCED, Reason.ENFORCED): ("True", lambda: facts(make.cache(), make.pool())),
    (Type.ENFORCED, Reason.SHADOWED): ("False", lambda: facts(make.cache(mode="Shadow"), make.pool())),
    (Type.ENFORCED, Reason.DISABLED): ("False", lambda: facts(make.cache(mode="Disabled"), make.pool())),
    (Type.ENFORCED, Reason.OVERRIDDEN): ("False", lambda: facts(make.cache("late"), make.pool(), make.cache("early"))),
    (Type.ENFORCED, Reason.PARTIALLY_ENFORCED): (
        "False",
        lambda: facts(make.cache("late", rules=("recall", "list")), make.pool(), make.cache("early")),
    ),
    (Type.WARNING, Reason.NOT_ENFORCED): (
        "True",
        lambda: facts(make.cache(invalidations=[{"name": "w", "match": {"sql": {"tables": ["t"]}}, "tags": ["a"]}]), make.pool()),
    ),
    (Type.WARNING, Reason.NEVER_TAKEN): (
        "True",
        lambda: facts(make.breaker(rules=[{"name": "r", "fallback": [{"type": "FailFast"}, {"type": "StaleCache", "causes": ["Reset"]}]}])),
    ),
}


@pytest.mark.parametrize(("type_", "reason"), list(CASES), ids=lambda part: str(part))
def test_each_reason_is_reached(type_: Type, reason: Reason) -> None:
    """An example for every reason of every condition, with the status that belongs to it."""
    status, setup = CASES[type_, reason]
    found = find(conditions(setup()), type_)
    assert found is not None
    assert (found["reason"], found["status"]) == (reason, status)
    assert found["message"]
    assert found["observedGeneration"] == 1


def test_no_reason_is_forgotten() -> None:
    """The table above and the API's own table are the same; a new reason needs an example."""
    assert set(CASES) == {(type_, reason) for type_, reasons in POLICY_REASONS.items() for reason in reasons}


def test_messages_name_the_pod_and_say_what_to_do() -> None:
    """What a person reads has to lead somewhere."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(), pod(name="orphan", sidecar=False)))), Type.INJECTED)
    assert found is not None
    assert "1 of 2 pods" in found["message"]
    assert "orphan" in found["message"]
    assert "restart" in found["message"]


def test_a_rejection_is_told_in_the_sidecars_words() -> None:
    """Nobody else knows what it didn't like."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(refused("$.pools[0]: bad")),))), Type.PROGRAMMED)
    assert found is not None
    assert "$.pools[0]: bad" in found["message"]


def test_a_missing_alias_is_the_pools_matter_alone() -> None:
    """By its variable the workload still reaches the layers, so that a cache on the pool is in force."""
    pods = (pod(aliases=(), conflicts=CONFLICT),)
    found = find(conditions(facts(make.cache(), make.pool(**HOST_ALIAS), pods=pods)), Type.INJECTED)
    assert found is not None
    assert found["status"] == "True"
    found = find(conditions(facts(make.pool(**HOST_ALIAS), pods=pods)), Type.INJECTED)
    assert found is not None
    assert "declares port 8080" in found["message"]


def test_a_pod_older_than_the_alias_is_outdated() -> None:
    """No conflict was reported, so a restart gives it the alias."""
    found = find(conditions(facts(make.pool(**HOST_ALIAS), pods=(pod(aliases=()),))), Type.INJECTED)
    assert found is not None
    assert found["reason"] == Reason.PODS_OUTDATED


def test_a_sidecar_of_another_schema_is_outdated_and_not_pushed_to() -> None:
    """It wouldn't understand what it is told."""
    old = replace(PodState(seen=True), schema_versions=(0,))
    found = conditions(facts(make.cache(), make.pool(), pods=(pod(old),)))
    assert find(found, Type.INJECTED)["reason"] == Reason.PODS_OUTDATED  # type: ignore[index]  # it is there
    assert find(found, Type.PROGRAMMED)["reason"] == Reason.PROGRESSING  # type: ignore[index]  # it is there


def test_a_pod_on_the_hosts_network_is_left_alone_and_said_so() -> None:
    """A sidecar there would serve its neighbours."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(sidecar=False, host_network=True),))), Type.INJECTED)
    assert found is not None
    assert found["reason"] == Reason.INJECTION_DISABLED


def latched(generation: int, reason: str = "Programmed") -> dict[str, Any]:
    return {"conditions": [{"type": "Programmed", "status": "True", "reason": reason, "message": "", "observedGeneration": generation}]}


def test_programmed_stays_true_for_a_generation_that_every_pod_had() -> None:
    """A new pod, or another policy's change, takes nothing back; the number of pods says how many have it now."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(), pod(PodState())), observed=latched(1))), Type.PROGRAMMED)
    assert found is not None
    assert (found["status"], found["reason"]) == ("True", "Programmed")


@pytest.mark.parametrize("observed", [latched(0), latched(1, "NoPods"), {}], ids=["older", "without-pods", "never"])
def test_the_latch_holds_for_nothing_else(observed: dict[str, Any]) -> None:
    """Of another generation, or of none of its pods, nothing is known."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(PodState()),), observed=observed)), Type.PROGRAMMED)
    assert found is not None
    assert found["status"] == "False"


def test_a_generation_that_isnt_compiled_yet_is_not_programmed() -> None:
    """Pods that have the revision from before have something else."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(),), compiled=False)), Type.PROGRAMMED)
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "Progressing")


def test_a_pod_without_a_sidecar_keeps_a_policy_from_being_programmed() -> None:
    """Every live pod, not every willing one."""
    found = find(conditions(facts(make.cache(), make.pool(), pods=(pod(), pod(sidecar=False)))), Type.PROGRAMMED)
    assert found is not None
    assert found["status"] == "False"


def test_a_pool_that_lost_its_upstream_is_overridden() -> None:
    """Two pools of one workload can't have one upstream."""
    found = conditions(facts(make.pool("late"), make.pool("early")))
    assert find(found, Type.ACCEPTED)["reason"] == Reason.CONFLICTED  # type: ignore[index]  # it is there
    assert find(found, Type.ENFORCED)["reason"] == Reason.OVERRIDDEN  # type: ignore[index]  # it is there


def test_nothing_is_said_about_enforcement_where_nothing_is_known() -> None:
    """A cache before no pool neither is nor isn't in force; a disabled one surely isn't."""
    assert find(conditions(facts(make.cache())), Type.ENFORCED) is None
    assert find(conditions(facts(make.cache(mode="Disabled"))), Type.ENFORCED)["reason"] == Reason.DISABLED  # type: ignore[index]  # it is there
