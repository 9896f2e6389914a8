"""Phases of a plan: what comes when, with which load, and where users stay between stages."""

from typing import Any

import pytest

from slipstream_loadtest.plan.model import Phase, Plan
from tests.fakes.loadtest_plans import BOTH, a_plan, comparison_plan


def closed(name: str, users: int, **members: Any) -> dict[str, Any]:
    return {"name": name, "users": users, "duration": "10s"} | members


def opened(name: str, rate: int, **members: Any) -> dict[str, Any]:
    return {"name": name, "ratePerSecond": rate, "duration": "10s"} | members


def kinds(plan: Plan) -> list[str]:
    return [f"{phase.kind} {phase.stage}" for phase in plan.phases]


def ramp(plan: Plan, stage: str) -> Phase:
    (found,) = (phase for phase in plan.phases if phase.kind == "Ramp" and phase.stage == stage)
    return found


def test_a_stage_is_ramp_settle_hold_drain():
    """After a warm-up with the first stage's load; each window as long as it was asked to be."""
    plan = a_plan(stages=[closed("a", 10, ramp="5s", settle="2s", drain="3s")], warmup="1s")
    assert [(p.kind, p.duration_ms) for p in plan.phases] == [
        ("WarmUp", 1000),
        ("Ramp", 5000),
        ("Settle", 2000),
        ("Hold", 10_000),
        ("Drain", 3000),
    ]
    assert [p.start_ms for p in plan.phases] == [0, 1000, 6000, 8000, 18_000]


def test_trap_t16_only_holding_is_judged():
    """Ramp and settling are listed, and never part of a verdict."""
    plan = a_plan(stages=[closed("a", 10, ramp="5s", settle="2s")], warmup="1s")
    assert [phase.kind for phase in plan.phases if phase.kind == "Hold"] == ["Hold"]
    assert plan.phases[-2].duration_ms == 10_000


def test_a_stage_that_ramps_goes_on_from_the_one_before():
    """No drain in between: its users stay. The first ramp begins at nothing."""
    plan = a_plan(stages=[closed("a", 10, ramp="5s"), closed("b", 100, ramp="5s"), closed("c", 10, ramp="5s")])
    assert kinds(plan) == ["Ramp a", "Hold a", "Ramp b", "Hold b", "Ramp c", "Hold c", "Drain c"]
    assert [ramp(plan, name).users_from for name in "abc"] == [0, 10, 100]
    rates = a_plan(stages=[opened("a", 10, ramp="5s"), opened("b", 100, ramp="5s")])
    assert [ramp(rates, name).rate_from for name in "ab"] == ["0/1", "10/1"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (closed("b", 100), "a jump begins with idle users"),
        (opened("b", 100, ramp="5s"), "another model has other users"),
    ],
    ids=["jump", "model"],
)
def test_other_stages_are_drained_first(second: dict[str, Any], why: str):
    """The second stage meets a target on which nothing runs any more."""
    plan = a_plan(stages=[closed("a", 10), second])
    assert kinds(plan)[:2] == ["Hold a", "Drain a"], why
    assert all(phase.users_from == 0 and phase.rate_from == "0/1" for phase in plan.phases)


def test_a_drain_that_was_asked_for_takes_place_and_the_ramp_begins_at_nothing():
    """What a drain leaves is no load."""
    plan = a_plan(stages=[closed("a", 10, drain="2s"), closed("b", 100, ramp="5s")])
    assert kinds(plan) == ["Hold a", "Drain a", "Ramp b", "Hold b", "Drain b"]
    assert ramp(plan, "b").users_from == 0


def test_no_drain_where_none_is_wanted_but_the_end_always_has_one():
    """`drain: 0s` is a jump without a pause; what runs at the very end, or before another model, is cut off."""
    plan = a_plan(stages=[closed("a", 10, drain="0s"), closed("b", 20, drain="0s"), opened("c", 5, drain="0s")])
    assert kinds(plan) == ["Hold a", "Hold b", "Drain b", "Hold c", "Drain c"]
    assert [p.duration_ms for p in plan.phases if p.kind == "Drain"] == [0, 0]


def test_floors_of_memory_lie_around_every_cycle_of_load():
    """Idle before the first stage, after the warm-up has filled what is filled once, and after each stage; nothing runs in them."""
    plan = a_plan(
        stages=[closed("a", 10), closed("b", 20, ramp="5s")], warmup="1s", checks={"memoryGrowth": {"max": "1Mi", "source": {"port": 9}}}
    )
    assert kinds(plan) == [
        "WarmUp a",
        "Drain a",
        "Idle a",
        "Hold a",
        "Drain a",
        "Idle a",
        "Ramp b",
        "Hold b",
        "Drain b",
        "Idle b",
    ]
    assert ramp(plan, "b").users_from == 0
    growth = plan.checks.memory_growth
    assert growth is not None
    assert (growth.max_bytes, growth.per_ms, growth.port, growth.path) == (1 << 20, 5000, 9, "/metrics")


def test_memory_is_read_past_the_layers_and_no_load_goes_there():
    """The plan knows the direct way as well; every phase is on the layers."""
    plan = a_plan(BOTH, target={"poolRef": {"name": "memory"}}, checks={"memoryGrowth": {}})
    assert [target.name for target in plan.targets] == ["Direct", "Layers"]
    assert {phase.target for phase in plan.phases} == {plan.candidate} == {"Layers"}


def test_both_sides_of_a_comparison_ramp_alike():
    """Each block begins at nothing, on both targets and in every repeat (T24)."""
    plan = comparison_plan(2, stages=[closed("a", 10, ramp="5s"), closed("b", 20, ramp="5s")])
    blocks = [[(p.kind, p.stage, p.duration_ms, p.users_from) for p in plan.phases[at : at + 5]] for at in range(0, 20, 5)]
    assert blocks.count(blocks[0]) == 4


@pytest.mark.parametrize(("duration", "slice_ms"), [("30s", 1000), ("2m", 1000), ("2m1s", 2000), ("1h", 30_000)])
def test_no_phase_has_more_than_120_slices(duration: str, slice_ms: int):
    """Whole seconds, as few as that."""
    assert a_plan(stages=[closed("a", 1, duration=duration)]).slice_ms == slice_ms


def test_every_other_field_reaches_the_plan():
    """Connections, timeout, thresholds, comparison, checks, lost runners."""
    plan = a_plan(
        timeout_ms=None,
        connections={"sharing": "Shared", "max": 40, "timeout": "5s"},
        runners={"count": 2, "lossPolicy": "Continue", "maxLost": 1},
        stages=[opened("o", 5, maxInFlight=100)],
        thresholds=[
            {"name": "t", "metric": "latency.p95", "stage": "o", "scenario": "read", "step": "get", "max": "1s", "window": "5s"}
            | {"minSamples": 9, "abort": True, "delay": "2s", "gate": "Report"}
        ],
        checks={"degradation": {"maxIncreasePercent": 7}, "isolation": {"read": {"path": "/${session}"}, "write": {"path": "/${canary}"}}},
    )
    assert (plan.timeout_ms, plan.max_lost, plan.connections.shared) == (5000, 1, 40)
    assert (plan.stages[0].connections, plan.stages[0].max_in_flight) == (40, 100)
    (threshold,) = plan.thresholds
    assert (threshold.scenario, threshold.step, threshold.window_ms, threshold.min_samples) == ("read", "get", 5000, 9)
    assert (threshold.abort, threshold.delay_ms, threshold.enforce) == (True, 2000, False)
    assert plan.checks.degradation is not None
    assert plan.checks.degradation.max_increase_percent == 7
    assert plan.checks.isolation is not None
    assert (plan.checks.isolation.sessions, plan.checks.isolation.rounds) == (50, 4)


def test_a_runner_that_is_all_there_is_can_not_be_lost():
    """The standalone command may have one runner, whatever the spec says."""
    members = {"runners": {"count": 2, "lossPolicy": "Continue", "maxLost": 1}}
    assert a_plan(runners_override=1, **members).max_lost == 0
