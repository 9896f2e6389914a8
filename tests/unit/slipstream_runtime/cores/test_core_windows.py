"""Windows: totals are those of the last calls, whatever the time between them."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.window import BUCKETS, FAILED, SLOW, CountWindow, TimeWindow, window

NOW = 1_000.0


def totals(counted: CountWindow | TimeWindow) -> tuple[int, int, int]:
    return counted.calls, counted.failures, counted.slow


def test_a_count_window_forgets_the_oldest_call() -> None:
    """Subtracted as it leaves."""
    counted = CountWindow(3)
    for outcome in (FAILED, SLOW, FAILED | SLOW):
        counted.record(outcome, NOW)
    assert totals(counted) == (3, 2, 2)
    counted.record(0, NOW)
    assert totals(counted) == (3, 1, 2)
    counted.clear()
    counted.record(FAILED, NOW)
    assert totals(counted) == (1, 1, 0)


def test_a_time_window_forgets_what_is_older() -> None:
    """At most a bucket later than exactly."""
    counted = TimeWindow(30.0, NOW)
    counted.record(FAILED, NOW)
    counted.record(SLOW, NOW + 15)
    counted.roll(NOW + 29)
    assert totals(counted) == (2, 1, 1)
    counted.roll(NOW + 30)
    assert totals(counted) == (1, 0, 1)
    counted.roll(NOW + 46)
    assert totals(counted) == (0, 0, 0)


@pytest.mark.parametrize("gap", [30.0, 31.0, 3_600.0, 1e9])
def test_trap_36_a_long_silence_empties_a_time_window_at_once(gap: float) -> None:
    """And it counts on from there."""
    counted = TimeWindow(30.0, NOW)
    for n in range(BUCKETS):
        counted.record(FAILED, NOW + n)
    counted.record(0, NOW + BUCKETS + gap)
    assert totals(counted) == (1, 0, 0)
    counted.record(FAILED, NOW + BUCKETS + gap + 29)
    assert totals(counted) == (2, 1, 0)


def test_trap_19_time_that_stands_still_changes_nothing() -> None:
    """A suspended machine."""
    counted = TimeWindow(30.0, NOW)
    for _ in range(1_000):
        counted.record(FAILED, NOW)
    assert totals(counted) == (1_000, 1_000, 0)


def test_the_rule_says_which_window() -> None:
    """And in what unit."""
    counted = window(config.Window(type="Count", calls=7), NOW)
    assert isinstance(counted, CountWindow)
    assert counted.size == 7
    timed = window(config.Window(type="Time", duration_ms=2_500), NOW)
    assert isinstance(timed, TimeWindow)
    assert timed.duration == 2.5
