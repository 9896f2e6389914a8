"""Laws of the windows: their running totals equal a recount of what a plain list remembers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.cores.window import BUCKETS, CountWindow, TimeWindow

outcomes = st.integers(0, 3)


def recount(outcome: list[int]) -> tuple[int, int, int]:
    return len(outcome), sum(one & 1 for one in outcome), sum(one >> 1 for one in outcome)


@given(st.integers(1, 8), st.lists(outcomes, max_size=40))
def test_a_count_window_holds_the_last_calls_exactly(size: int, calls: list[int]) -> None:
    """Subtract-on-evict never drifts."""
    window = CountWindow(size)
    for n, outcome in enumerate(calls, 1):
        window.record(outcome, 0.0)
        assert (window.calls, window.failures, window.slow) == recount(calls[max(0, n - size) : n])


@given(st.lists(st.tuples(st.floats(0, 20), outcomes), max_size=60))
def test_a_time_window_holds_all_that_is_young_and_nothing_that_is_old(calls: list[tuple[float, int]]) -> None:
    """Between (duration less a bucket) and duration: that is what buckets cost."""
    duration = 10.0
    window = TimeWindow(duration, 0.0)
    now = 0.0
    seen: list[tuple[float, int]] = []
    for pause, outcome in calls:
        now += pause
        window.record(outcome, now)
        seen.append((now, outcome))
        young = [one for at, one in seen if at > now - duration + 2 * duration / BUCKETS]
        possible = [one for at, one in seen if at > now - duration - 1e-6]
        for total, least, most in zip((window.calls, window.failures, window.slow), recount(young), recount(possible), strict=True):
            assert least <= total <= most
