"""Laws of the judgement and of the figures that it stands on: oracles for the statistics, windows that add up, and never a NaN."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import bootstrap, mannwhitneyu

from slipstream_loadtest.judged.metrics import METRICS, measure
from slipstream_loadtest.judged.stats import holm, mann_whitney, median, ratio_interval, repeats_needed, smallest_p
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.histogram import HIGHEST, Histogram, merged
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part, check_series
from slipstream_loadtest.plan.asked import Comparison, Threshold
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_part, a_plan, gathered
from tests.fakes.loadtest_slices import Second, sliced

PLAN = a_plan(runners={"count": 3})
small = st.integers(min_value=0, max_value=6).map(float)
ps = st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=12)
seconds = st.lists(
    st.builds(
        Second,
        st.lists(st.floats(min_value=0.001, max_value=5_000), max_size=4),
        st.integers(min_value=0, max_value=2),
        st.integers(min_value=0, max_value=2),
    ),
    max_size=10,
)


@st.composite
def a_random_part(draw: st.DrawFn) -> Part:
    censored = draw(st.lists(st.floats(min_value=1, max_value=100), max_size=2))
    aborted = draw(st.sampled_from(["", "", "cut"]))
    series = sliced(PLAN, draw(seconds), censored_ms=censored)
    return a_part(PLAN, {0: series}, index=draw(st.integers(0, 2)), attempt=draw(st.sampled_from("ab")), aborted=aborted)


@given(st.lists(small, min_size=1, max_size=4), st.lists(small, min_size=1, max_size=4))
def test_exact_p_with_ties_is_that_of_all_splits(a: list[float], b: list[float]) -> None:
    """U counted pair by pair, over every split of the values in two such groups: the share that is as far from the centre."""
    pooled, n = a + b, len(a)

    def u_of(chosen: tuple[int, ...]) -> float:
        others = [pooled[i] for i in range(len(pooled)) if i not in chosen]
        return sum((pooled[i] > y) + 0.5 * (pooled[i] == y) for i in chosen for y in others)

    centre = n * len(b) / 2
    splits = [abs(u_of(chosen) - centre) for chosen in combinations(range(len(pooled)), n)]
    u, p = mann_whitney(a, b)
    assert u == mannwhitneyu(a, b).statistic == u_of(tuple(range(n)))
    assert p == pytest.approx(sum(far >= abs(u - centre) for far in splits) / len(splits))


@given(st.lists(st.integers(), min_size=2, max_size=14, unique=True), st.data())
def test_exact_p_without_ties_is_scipys(values: list[int], data: st.DataObject) -> None:
    """Up to 7 + 7 values."""
    n = data.draw(st.integers(min_value=max(1, len(values) - 7), max_value=min(7, len(values) - 1)))
    order = sorted(range(len(values)), key=values.__getitem__)
    a, b = [float(order[i]) for i in range(n)], [float(order[i]) for i in range(n, len(values))]
    assert mann_whitney(a, b)[1] == pytest.approx(mannwhitneyu(a, b, method="exact").pvalue, abs=1e-12)


@given(st.lists(small, min_size=12, max_size=30), st.lists(small, min_size=12, max_size=30))
def test_p_of_many_values_with_ties_is_scipys(a: list[float], b: list[float]) -> None:
    """The normal approximation, tie and continuity corrected."""
    expected = mannwhitneyu(a, b, method="asymptotic", use_continuity=True)
    found = mann_whitney(a, b)
    assert found[0] == expected.statistic
    if len(set(a + b)) > 1:
        assert found[1] == pytest.approx(expected.pvalue, rel=1e-9)
    else:
        assert found[1] == 1


@given(ps, st.integers(min_value=0, max_value=20))
def test_holm_is_the_definition(several: list[float], more: int) -> None:
    """Adjusted p of each: the largest of (m - rank) times p over all that are no larger; never less than p, never more than Bonferroni."""
    m = len(several) + more
    ordered = sorted(several)
    expected = [max(min(1.0, (m - rank) * q) for rank, q in enumerate(ordered) if q <= p) for p in several]
    found = holm(several, m)
    assert found == pytest.approx(expected)
    assert all(p <= q <= min(1.0, m * p) + 1e-12 for p, q in zip(several, found, strict=True))
    assert holm(list(reversed(several)), m) == list(reversed(found))


@given(st.floats(min_value=0.001, max_value=0.2), st.integers(min_value=1, max_value=350))
def test_trap_t23_repeats_needed_are_the_fewest_that_can_show_anything(alpha: float, rows: int) -> None:
    """With one fewer no outcome could."""
    n = repeats_needed(alpha, rows)
    assert smallest_p(n, n) * rows <= alpha
    assert n == 1 or smallest_p(n - 1, n - 1) * rows > alpha


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_ratio_is_scipys(seed: int) -> None:
    """Percentile bootstrap of the ratio of two medians: both ends within the noise of resampling."""
    random = Random(seed)
    a, b = [random.lognormvariate(3, 0.1) for _ in range(12)], [random.lognormvariate(3.2, 0.1) for _ in range(12)]

    def ratio(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.median(y, axis=axis) / np.median(x, axis=axis)

    expected = bootstrap((a, b), ratio, method="percentile", n_resamples=4_000, rng=np.random.default_rng(seed)).confidence_interval
    found = ratio_interval(a, b, seed=seed, resamples=4_000)
    assert found is not None
    assert found == pytest.approx((expected.low, expected.high), rel=0.02)


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=30))
def test_the_median_is_numpys(values: list[float]) -> None:
    """Odd and even."""
    assert median(values) == pytest.approx(float(np.median(values)))


@given(st.lists(st.lists(st.integers(min_value=0, max_value=HIGHEST), max_size=30), min_size=1, max_size=5))
def test_trap_t13_the_mean_of_a_merge_is_that_of_all_values(runners: list[list[int]]) -> None:
    """However unequal the runners' counts are: weights aren't squared, and means aren't averaged."""
    histograms = []
    for values in runners:
        histogram = Histogram()
        for value in values:
            histogram.record(value)
        histograms.append(histogram)
    everything = [value for values in runners for value in values]
    mean = merged(histograms).mean()
    if everything:
        assert mean == pytest.approx(float(np.mean(np.array(everything, dtype=float))))
    else:
        assert mean is None


@given(st.lists(st.integers(min_value=0, max_value=HIGHEST), min_size=1, max_size=60))
def test_trap_t12_a_quantile_is_the_nearest_rank(values: list[int]) -> None:
    """numpy's `inverted_cdf`, which interpolates nothing: at every rank, within half a bucket. And no float decides which rank it is."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for rank in range(1, len(values) + 1):
        found = histogram.quantile(Fraction(rank, len(values)))
        exact = sorted(values)[rank - 1]
        assert found is not None
        assert abs(found - exact) <= exact / 512 + 1


@settings(max_examples=60)
@given(st.lists(a_random_part(), max_size=6), st.randoms(use_true_random=False))
def test_trap_t14_gathering_is_commutative_and_idempotent(parts: list[Part], random: Random) -> None:
    """With slices, cut-off calls and broken ones among them; what is gathered is what is merged."""
    torn = [replace(p, index=7) for p in parts[:1]]
    shuffled = [*parts, *torn, *parts]
    random.shuffle(shuffled)
    broken = {"ab" * 32: "cut"}
    once = gathered(PLAN, [*parts, *torn], "r", broken)
    assert gathered(PLAN, shuffled, "r", broken) == once
    assert replace(once, refused=()) == merge(PLAN, parts, "r")


@settings(max_examples=60)
@given(st.lists(a_random_part(), max_size=4))
def test_every_merged_window_keeps_the_law_of_accounting(parts: list[Part]) -> None:
    """offered = completed + failed + dropped + censored, slices no more than the whole."""
    for window in gathered(PLAN, parts, "r").windows:
        for step in window.steps:
            check_series(step)
            assert step.offered == step.completed + step.failed + step.dropped + step.censored
            for name in ("completed", "failed", "dropped"):
                assert sum(getattr(one, name) for one in step.slices) == getattr(step, name)
            assert sum(one.latency.count for one in step.slices) == step.service.count


@settings(max_examples=60)
@given(st.lists(a_random_part(), max_size=4), st.sampled_from(sorted(METRICS)), st.integers(min_value=0, max_value=3))
def test_trap_t05_no_verdict_has_a_nan_and_none_passes_on_nothing(parts: list[Part], metric: str, window: int) -> None:
    """Whatever was measured and asked for: JSON that every reader can read; a threshold without samples hasn't passed."""
    asked = Threshold(name="t", metric=metric, min=0.0, max=1e12, window_ms=window * 1_000)
    plan: Plan = replace(PLAN, thresholds=(asked,), comparison=Comparison(baseline="Stored", repeats=1))
    of_plan = [replace(part, plan_hash=gathered(plan, [], "r").plan_hash) for part in parts]
    result = gathered(plan, of_plan, "r")
    verdict = judge(plan, result, (plan, result))
    text = json.dumps(msgspec.to_builtins(verdict), allow_nan=False)
    assert "NaN" not in text
    assert "Infinity" not in text
    (row,) = verdict.thresholds
    if measure(metric, [w for w in result.windows if w.judged]).value is None:
        assert row.result == "NoData"
        assert verdict.result != "Passed"
    assert row.result == "NoData" or row.observed is not None


@settings(max_examples=60)
@given(seconds)
def test_quantiles_of_a_window_are_ordered(several: list[Second]) -> None:
    """p50 <= p90 <= … <= max, of latency and service time (trap T9)."""
    result = merge(PLAN, [a_part(PLAN, {0: sliced(PLAN, several)})])
    for family in ("latency", "serviceTime"):
        found = [measure(f"{family}.{name}", result.windows).value for name in ("p50", "p90", "p95", "p99", "p999", "max")]
        known = [value for value in found if value is not None]
        assert known == sorted(known)
        assert len(known) in (0, 6)
