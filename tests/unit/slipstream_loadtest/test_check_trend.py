"""The Theil–Sen slope and its interval: as scipy has them for one series, and by Hirsch, Slack and Smith for several."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from slipstream_loadtest.judged.checks.trend import MOST, Z_95, theil_sen

VALUES = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=40)


@given(VALUES)
def test_one_series_has_the_slope_and_the_interval_of_scipy(values: list[float]) -> None:
    """For any values, ties included: the median of all pairs, and Sen's interval."""
    found = theil_sen([list(enumerate(values))])
    oracle = theilslopes(values, range(len(values)), alpha=0.95)
    assert found is not None
    assert found.slope == pytest.approx(oracle.slope)
    assert (found.low, found.high) == pytest.approx((oracle.low_slope, oracle.high_slope))


@given(VALUES, st.floats(-100, 100))
def test_what_is_added_to_each_x_is_added_to_the_slope(values: list[float], leak: float) -> None:
    """So a known leak on top of any samples is found as what it is."""
    before, after = theil_sen([list(enumerate(values))]), theil_sen([[(x, y + leak * x) for x, y in enumerate(values)]])
    assert before is not None
    assert after is not None
    assert after.slope - before.slope == pytest.approx(leak, abs=1e-6)


def test_several_series_have_one_slope_whatever_their_levels() -> None:
    """A step between two stages is no slope: pairs are made within a series."""
    low, high = [(x, 100.0 + x) for x in range(20)], [(x, 9e9 + x) for x in range(50, 70)]
    apart, joined = theil_sen([low, high]), theil_sen([low + high])
    assert apart is not None
    assert joined is not None
    assert (apart.slope, apart.low, apart.high) == (1.0, 1.0, 1.0)
    assert joined.slope > 1e6  # the control: what one series of both would say


def test_outliers_do_not_move_it() -> None:
    """A quarter of the samples wildly off; least squares would follow them."""
    points = [(x, 1e9 if x % 4 == 3 else 2.0 * x) for x in range(40)]
    found = theil_sen([points])
    assert found is not None
    assert found.slope == pytest.approx(2.0, rel=0.5)


def test_the_interval_encloses_the_true_slope_in_nineteen_of_twenty_runs() -> None:
    """400 seeded series with noise: the share lies near 95 %."""
    enclosed = 0
    for seed in range(400):
        noise = Random(seed)
        found = theil_sen([[(x, 3.0 * x + noise.gauss(0, 20)) for x in range(30)]], Z_95)
        assert found is not None
        enclosed += found.low <= 3.0 <= found.high
    assert 0.92 <= enclosed / 400 <= 0.98


@pytest.mark.parametrize("series", [[], [[]], [[(1.0, 2.0)]], [[(1.0, 2.0), (1.0, 3.0)]]], ids=["none", "empty", "one", "one-x"])
def test_without_two_moments_there_is_no_slope(series: list[list[tuple[float, float]]]) -> None:
    """None, and no invented zero."""
    assert theil_sen(series) is None


def test_long_series_are_thinned() -> None:
    """A day of samples costs no more pairs than MOST points."""
    found = theil_sen([[(x, 5.0 * x) for x in range(40 * MOST)]])
    assert found is not None
    assert (found.slope, found.points) == (5.0, MOST)
