"""Mann-Whitney U and the bootstrap interval, against scipy and against what is known."""

from random import Random

import pytest
from scipy.stats import mannwhitneyu

from slipstream_loadtest.judged.stats import mann_whitney, median, ratio_interval, repeats_needed, smallest_p


@pytest.mark.parametrize("seed", range(20))
def test_exact_p_agrees_with_scipy(seed: int):
    """Without ties, up to 8 + 8 values."""
    random = Random(seed)
    n, m = random.randint(2, 8), random.randint(2, 8)
    a, b = [random.gauss(10, 2) for _ in range(n)], [random.gauss(11, 2) for _ in range(m)]
    expected = mannwhitneyu(a, b, method="exact")
    assert mann_whitney(a, b) == (expected.statistic, pytest.approx(expected.pvalue, abs=1e-12))


@pytest.mark.parametrize("seed", range(10))
def test_p_of_many_values_agrees_with_scipy(seed: int):
    """Beyond exact enumeration: the normal approximation with tie and continuity correction."""
    random = Random(seed)
    a, b = [float(random.randint(0, 20)) for _ in range(30)], [float(random.randint(2, 22)) for _ in range(25)]
    expected = mannwhitneyu(a, b, method="asymptotic", use_continuity=True)
    assert mann_whitney(a, b) == (expected.statistic, pytest.approx(expected.pvalue, rel=1e-9))


def test_exact_p_with_ties_is_the_share_of_splits():
    """[1,1,2] against [2,2,3]: counted by hand, 4 of 20 splits are as far out (U 1 or less, or 8 or more)."""
    from itertools import combinations

    pooled = [1, 1, 2, 2, 2, 3]

    def u_of(a: list[int], b: list[int]) -> float:
        return sum((x > y) + 0.5 * (x == y) for x in a for y in b)

    observed = abs(u_of([1, 1, 2], [2, 2, 3]) - 4.5)
    splits = list(combinations(range(6), 3))
    extreme = sum(abs(u_of([pooled[i] for i in s], [pooled[i] for i in range(6) if i not in s]) - 4.5) >= observed for s in splits)
    assert mann_whitney([1, 1, 2], [2, 2, 3])[1] == extreme / len(splits)


def test_equal_values_show_nothing():
    """All the same: p = 1, in both ways of computing it."""
    assert mann_whitney([5.0] * 4, [5.0] * 4)[1] == 1
    assert mann_whitney([5.0] * 40, [5.0] * 40)[1] == 1


def test_trap_T23_three_repeats_can_never_show_anything():
    """3 + 3 values reach p = 0.10 at best, 4 + 4 reach 0.029."""
    assert smallest_p(3, 3) == pytest.approx(0.1)
    assert smallest_p(4, 4) == pytest.approx(2 / 70)
    assert mann_whitney([1, 2, 3], [7, 8, 9])[1] == pytest.approx(0.1)
    assert repeats_needed(0.05) == 4


def test_interval_is_seeded():
    """The same seed gives the same interval: a verdict never changes when it is computed again."""
    a, b = [10.0, 11, 12, 13], [8.0, 9, 9.5, 10]
    assert ratio_interval(a, b, seed=1) == ratio_interval(a, b, seed=1)


def test_interval_lies_around_the_ratio():
    """Half as slow with little spread: the interval holds 0.5 and is narrow."""
    low, high = ratio_interval([100, 101, 99, 100, 102], [50, 51, 49, 50, 50], seed=3) or (0, 0)
    assert low <= 0.5 <= high
    assert high - low < 0.05


def test_interval_covers_the_true_ratio_in_most_seeds():
    """Of 200 pairs of samples with a true ratio of 0.8 at least 80 % of intervals of 8 + 8 values hold it (small samples cover less)."""
    covered = 0
    for seed in range(200):
        random = Random(seed)
        a = [random.gauss(100, 5) for _ in range(8)]
        b = [random.gauss(80, 4) for _ in range(8)]
        low, high = ratio_interval(a, b, seed=seed, resamples=300) or (0, 0)
        covered += low <= 0.8 <= high
    assert covered >= 160


def test_a_baseline_of_zero_has_no_ratio():
    """No division by zero, no infinite change."""
    assert ratio_interval([0, 0, 1], [1, 1, 1], seed=1) is None


def test_median():
    """Odd, even, none."""
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    with pytest.raises(ValueError, match="no median"):
        median([])


def test_nothing_on_one_side_is_refused():
    """A rank test of nothing isn't p = 1."""
    with pytest.raises(ValueError, match="both sides"):
        mann_whitney([], [1.0])
