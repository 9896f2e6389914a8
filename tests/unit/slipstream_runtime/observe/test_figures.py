"""Figures of operations: bounded whatever comes, and buckets that a native histogram has too."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.cores.buckets import BOUNDS, bucket, empty
from slipstream_runtime.observe.figures import MAX_OPERATIONS, OTHER, PoolFigures


def native(bounds: tuple[float, ...]) -> bool:
    """Bounds of schema 0: powers of two, none left out, so that a conversion splits no bucket."""
    exponents = [math.log2(bound) for bound in bounds]
    return all(exponent == int(exponent) for exponent in exponents) and exponents == [exponents[0] + step for step in range(len(bounds))]


def test_the_bounds_are_those_of_a_native_histogram() -> None:
    """As the bounds of before, round in decimal, were not."""
    assert native(BOUNDS)
    assert not native((0.0005, 0.001, 0.0025, 0.005))
    assert not native((0.25, 1.0))
    assert (BOUNDS[0] < 0.0005, BOUNDS[-1] > 60.0) == (True, True)


@given(st.floats(min_value=0.0, max_value=1e6))
def test_a_duration_is_above_the_bound_before_and_not_above_its_own(seconds: float) -> None:
    """Upper bounds are inclusive, as `le` says."""
    at = bucket(seconds)
    assert at < len(empty())
    assert at == len(BOUNDS) or seconds <= BOUNDS[at]
    assert at == 0 or seconds > BOUNDS[at - 1]


def test_operations_beyond_the_bound_are_one() -> None:
    """Configurations come and go as long as the pool lives."""
    figures = PoolFigures()
    for number in range(MAX_OPERATIONS + 50):
        figures.observe(f"GET /{number}", 0.1)
        figures.hit(f"GET /{number}")
    assert len(figures.operations) == MAX_OPERATIONS + 1
    assert figures.operations[OTHER].hits == 50
    assert sum(sum(one.buckets) for one in figures.operations.values()) == figures.hits == MAX_OPERATIONS + 50
    figures.observe("GET /0", 0.1)
    assert figures.operations["GET /0"].seconds == pytest.approx(0.2)
