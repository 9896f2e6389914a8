"""The comparison: an effect counts when it exceeds the noise and is told from chance."""

from random import Random

import pytest

from slipstream_loadtest.judged.comparison import ComparisonRow, compare
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import GeneratorPart
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import MS, a_plan, a_result, a_series, comparison_plan


def row(plan: Plan, direct: list[list[float]], layers: list[list[float]], metric: str = "latency.p95", **more: object) -> ComparisonRow:
    """The row of a metric when the repeats of each side measured these latencies."""
    sides = {"Direct": iter(direct), "Layers": iter(layers)}
    series = [a_series(plan, next(sides[p.target])) for p in plan.phases if p.kind == "Hold"]
    return next(r for r in compare(plan, a_result(plan, *series)) if r.metric == metric)


def around(level: float, seed: int, spread: float = 0.01, repeats: int = 6, samples: int = 40) -> list[list[float]]:
    """Repeats that differ by `spread`, each of noisy calls."""
    random = Random(seed)
    made = []
    for _ in range(repeats):
        centre = level * random.gauss(1, spread)
        made.append([centre * random.uniform(0.8, 1.2) for _ in range(samples)])
    return made


def test_half_the_latency_is_an_improvement():
    """Change, interval, p and the word for it."""
    found = row(comparison_plan(6), around(100, 1), around(50, 2))
    assert found.result == "Improved"
    assert found.change == pytest.approx(0.5, abs=0.03)
    assert found.p == pytest.approx(2 / 924)
    assert found.p_adjusted is not None
    assert found.p <= found.p_adjusted <= 3 * found.p
    assert found.interval is not None
    assert found.interval[0] <= found.change <= found.interval[1] < 1


def test_twice_the_latency_is_a_regression():
    """The other direction."""
    assert row(comparison_plan(6), around(50, 1), around(100, 2)).result == "Regressed"


def test_more_throughput_is_an_improvement():
    """The better direction belongs to the metric."""
    few, many = [[10.0] * 20] * 6, [[10.0] * 60] * 6
    assert row(comparison_plan(6), few, many, "throughput").result == "Improved"
    assert row(comparison_plan(6), many, few, "throughput").result == "Regressed"


def test_a_change_within_the_noise_band_is_none():
    """2 % with a band of 3 %, however clear it is."""
    found = row(comparison_plan(6), [[100.0] * 9] * 6, [[102.0] * 9] * 6)
    assert found.result == "NoChange"
    assert "noise band of 3%" in found.message


def test_a_change_that_chance_explains_is_none():
    """10 % better in the median, but the repeats of both sides overlap."""
    found = row(comparison_plan(6), [[v] * 9 for v in (80.0, 120, 100, 110, 90, 105)], [[v] * 9 for v in (70.0, 125, 85, 105, 88, 84)])
    assert found.result == "NoChange"
    assert "chance" in found.message


def test_a_repeat_without_a_value_makes_the_row_inconclusive():
    """One repeat of the baseline failed altogether."""
    plan = comparison_plan(6)
    found = row(plan, [*[[10.0] * 5] * 5, []], [[5.0] * 5] * 6)
    assert (found.result, found.repeats) == ("Inconclusive", 5)
    assert "the baseline has none" in found.message


def test_trap_T06_a_side_that_fails_more_is_not_an_improvement():
    """The candidate answers half of its calls with 503, the rest fast."""
    plan = comparison_plan(6)
    good, failing = a_series(plan, [100] * 60), a_series(plan, [10] * 20, errors={"Status503": 20})
    series = [good if p.target == "Direct" else failing for p in plan.phases if p.kind == "Hold"]
    found = compare(plan, a_result(plan, *series))
    assert {r.result for r in found} == {"Inconclusive"}
    assert "errors differ: 0% of the baseline, 50% of the candidate" in found[0].message


def test_trap_T18_a_change_that_the_lag_explains_is_inconclusive():
    """10 ms against 5 ms with 8 ms of the generator's own lag: nobody knows. With 1 ms it is an improvement."""
    plan = comparison_plan(6)
    series = [a_series(plan, [10.0 if p.target == "Direct" else 5.0] * 20) for p in plan.phases if p.kind == "Hold"]
    results = []
    for milliseconds in (8, 1):
        lag = Histogram()
        for _ in range(100):
            lag.record(milliseconds * MS)
        generator = GeneratorPart(loop_lag=lag.encode(), cpu_ms=1, wall_ms=10_000)
        rows = compare(plan, a_result(plan, *series, generator=generator))
        results.append(next(r for r in rows if r.metric == "latency.p95"))
    assert [r.result for r in results] == ["Inconclusive", "Improved"]
    assert "lag of 8ms could explain it" in results[0].message


def test_a_plan_that_does_not_compare_has_no_rows():
    """Nothing is compared with nothing."""
    plan = a_plan()
    assert compare(plan, a_result(plan, a_series(plan, [1]))) == ()


def test_every_stage_is_compared_by_itself():
    """Two stages: two rows a metric."""
    plan = comparison_plan(6, stages=[{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 1, "duration": "1s"}])
    rows = compare(plan, a_result(plan, a_series(plan, [1] * 5)))
    assert [(r.stage, r.metric) for r in rows] == [(s, m) for s in "ab" for m in ("latency.p50", "latency.p95", "throughput")]
