"""The plan: windows without gaps, ABBA order, everything that can't be measured refused before anything is sent."""

import msgspec
import pytest

from slipstream_loadtest.plan.build import PlanRefused, Route, Routes, build_plan, decode_plan, encode_plan, plan_hash
from tests.fakes.loadtest_plans import BOTH, URL, a_plan, a_spec, comparison_plan


def test_comparison_interleaves_abba():
    """Direct, Layers, Layers, Direct, …: a drift of the machine meets both sides alike (trap T22)."""
    order = [phase.target for phase in comparison_plan(4).phases if phase.kind == "Hold"]
    assert order == ["Direct", "Layers", "Layers", "Direct", "Direct", "Layers", "Layers", "Direct"]


def test_both_sides_of_a_comparison_have_the_same_windows():
    """Trap T24: same stages, same warm-up, same lengths on both sides; nothing unlike can be compared within a run."""
    plan = comparison_plan(3, warmup="5s")
    sides = [[(p.kind, p.repeat, p.stage, p.duration_ms) for p in plan.phases if p.target == side] for side in ("Direct", "Layers")]
    assert sorted(sides[0]) == sorted(sides[1])


def test_phases_follow_each_other_without_gaps():
    """Fixed windows: each begins where the one before ends."""
    plan = comparison_plan(
        2, warmup="2s", stages=[{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 5, "duration": "3s"}]
    )
    at = 0
    for phase in plan.phases:
        assert phase.start_ms == at
        at = phase.end_ms
    assert plan.duration_ms == at == 4 * (2000 + 1000 + 100 + 3000 + 100)
    assert [p.kind for p in plan.phases][:5] == ["WarmUp", "Hold", "Drain", "Hold", "Drain"]


def test_without_comparison_one_repeat_through_the_layers():
    """A pool is measured through its layers; a URL directly."""
    pool = a_plan(BOTH, target={"poolRef": {"name": "memory"}})
    assert [(t.name, t.env) for t in pool.targets] == [("Layers", "SLIPSTREAM_MEMORY_URL")]
    assert pool.candidate == "Layers"
    assert [(p.kind, p.target) for p in a_plan().phases] == [("Hold", "Direct"), ("Drain", "Direct")]


def test_routes_reach_the_plan():
    """The direct way is resolved by DNS alone where the caller says so."""
    routes = Routes(direct=Route(url="http://memory:8080", resolution="DNS"), layers=Route(url="http://127.64.0.1:15900"))
    plan = build_plan("t", "ns", a_spec(comparison={"baseline": "Direct"}), routes, 1)
    assert [(t.name, t.url, t.resolution) for t in plan.targets] == [
        ("Direct", "http://memory:8080", "DNS"),
        ("Layers", "http://127.64.0.1:15900", "System"),
    ]


def test_models_of_stages():
    """Users make a closed stage; a rate an open one with the default bound."""
    plan = a_plan(stages=[{"name": "c", "users": 9, "duration": "1m"}, {"name": "o", "ratePerSecond": 500, "duration": "500ms"}])
    closed, opened = plan.stages
    assert (closed.model, closed.users, closed.duration_ms) == ("Closed", 9, 60_000)
    assert (opened.model, opened.exact_rate, opened.max_in_flight, opened.duration_ms) == ("Open", 500, 1000, 500)


def test_same_spec_same_seed_same_plan():
    """Equal inputs give equal bytes and an equal hash; another seed another one."""
    assert encode_plan(a_plan()) == encode_plan(a_plan())
    assert plan_hash(a_plan()) != plan_hash(a_plan(seed=8))


def test_plan_survives_the_wire():
    """What the runner decodes is what the operator built."""
    plan = comparison_plan(thresholds=[{"name": "p95", "metric": "latency.p95", "max": "50ms"}])
    assert decode_plan(encode_plan(plan)) == plan


def test_plan_of_another_version_is_refused_with_what_to_do():
    """A runner never measures half of a plan that it doesn't understand."""
    document = msgspec.json.decode(encode_plan(a_plan()))
    with pytest.raises(msgspec.ValidationError, match="use the operator's own runtime image"):
        decode_plan(msgspec.json.encode(document | {"version": 3}))
    with pytest.raises(msgspec.ValidationError, match="surprise"):
        decode_plan(msgspec.json.encode(document | {"surprise": 1}))


@pytest.mark.parametrize(
    ("metric", "bound", "value"),
    [
        ("latency.p95", "50ms", 50),
        ("latency.p95", "2s", 2000),
        ("errors.percent", 1, 1),
        ("errors.percent", "0.5", 0.5),
        ("throughput", "2k", 2000),
    ],
)
def test_bounds_are_read_in_the_unit_of_the_metric(metric: str, bound: object, value: float):
    """Milliseconds, percent, per second."""
    (threshold,) = a_plan(thresholds=[{"name": "t", "metric": metric, "max": bound}]).thresholds
    assert (threshold.max, threshold.min) == (value, None)


@pytest.mark.parametrize(
    ("members", "path", "says"),
    [
        ({"thresholds": [{"name": "t", "metric": "latency.p95", "max": 50}]}, "spec.thresholds[t]", "write it like 250ms"),
        ({"thresholds": [{"name": "t", "metric": "errors.percent", "max": "1s"}]}, "spec.thresholds[t]", "write 1, 0.5"),
        ({"thresholds": [{"name": "t", "metric": "throughput"}]}, "spec.thresholds[t]", "set min or max"),
        ({"thresholds": [{"name": "t", "metric": "throughput", "min": 1, "stage": "x"}]}, "spec.thresholds[t].stage", "there are s"),
        ({"stages": [{"name": "s", "duration": "1s"}]}, "spec.stages[s]", "set users"),
        ({"stages": [{"name": "s", "users": 1, "ratePerSecond": 1, "duration": "1s"}]}, "spec.stages[s]", "set users"),
        ({"stages": [{"name": "s", "users": 1, "duration": "0s"}]}, "spec.stages[s].duration", "must last"),
        (
            {"stages": [{"name": "s", "ratePerSecond": 1, "maxInFlight": 1, "duration": "1s"}], "runners": {"count": 2}},
            "spec.stages[s].maxInFlight",
            "at least 2",
        ),
        (
            {"scenarios": [{"name": "r", "steps": [{"name": "get", "http": {"path": "/${nobody}"}}]}]},
            "spec.scenarios",
            r"step get: ${nobody} is unknown",
        ),
        ({"comparison": {"baseline": "Direct"}}, "spec.comparison.baseline", "set target.poolRef"),
    ],
)
def test_what_can_not_be_measured_is_refused_with_the_field(members: dict[str, object], path: str, says: str):
    """The field's path and what to change."""
    with pytest.raises(PlanRefused) as refused:
        a_plan(URL, **members)
    assert refused.value.path == path
    assert says in refused.value.message


def test_without_any_route_there_is_no_plan():
    """Neither a pool nor a URL."""
    with pytest.raises(PlanRefused, match="set poolRef or url"):
        a_plan(Routes())


def test_last_passed_is_repeated_on_one_target():
    """The earlier run is handed to the judgement; this one is measured as often as the comparison says, through the layers."""
    plan = a_plan(BOTH, comparison={"baseline": "LastPassed", "repeats": 4, "gate": "Enforce", "metrics": ["throughput"]})
    assert (plan.comparison.baseline, plan.comparison.repeats, plan.comparison.enforce) == ("Stored", 4, True)
    assert plan.comparison.metrics == ("throughput",)
    assert [t.name for t in plan.targets] == ["Layers"]
    assert [p.repeat for p in plan.phases if p.kind == "Hold"] == [0, 1, 2, 3]
