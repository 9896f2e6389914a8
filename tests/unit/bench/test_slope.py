"""The slope that decides whether memory is flat: exact on lines, unmoved by outliers, and it sees a leak in noise."""

from __future__ import annotations

import random

import pytest

from bench.slope import second_half, theil_sen


def series(slope: float, noise: float, count: int = 1_000) -> list[tuple[float, float]]:
    chance = random.Random(1)
    return [(float(x), 100 + slope * x + chance.uniform(-noise, noise)) for x in range(count)]


@pytest.mark.parametrize("slope", [0.0, 0.5, -2.0])
def test_a_line_has_its_slope(slope: float) -> None:
    assert theil_sen(series(slope, 0)) == pytest.approx(slope)


def test_outliers_move_nothing() -> None:
    points = series(0, 0.5)
    points[900:950] = [(x, 1_000.0) for x, _ in points[900:950]]
    assert theil_sen(points) == pytest.approx(0, abs=0.002)


def test_a_leak_is_seen_in_noise() -> None:
    assert theil_sen(second_half(series(0.05, 5))) == pytest.approx(0.05, abs=0.01)


def test_the_second_half_begins_at_the_middle_of_time() -> None:
    assert second_half([(0, 1), (1, 2), (5, 3), (10, 4)]) == [(5, 3), (10, 4)]
