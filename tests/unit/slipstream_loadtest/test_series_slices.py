"""What ended in each slice of a phase: every end in one slice, the last one shorter, what ends after the phase in none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_loadtest.engine.users import User
from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.slices import MAX_SLICES
from slipstream_loadtest.measured.tally import WRONG, Series
from tests.fakes.scripted_driver import ScriptedDriver, takes


def a_series(*, corrected: bool = False, begin: float = 100.0, until: float = 102.5, length: float = 1.0) -> Series:
    return Series("read", "get", until, corrected=corrected, begin=begin, slice_seconds=length)


def completed(series: Series, now: float, took: float = 0.01) -> None:
    series.offered += 1
    series.complete(now - took, now - took, now)


def test_ends_are_counted_where_they_happen():
    """Right, failed, wrong and dropped, each in its slice; slices without an end are left out."""
    series = a_series(until=104.0)
    completed(series, 100.2)
    completed(series, 101.0)  # on the boundary: still the first
    series.offered += 2
    series.fail("Reset", 103.0, 103.1)
    series.fail(WRONG, 103.0, 103.2)
    series.drop(103.3)
    found = series.close().slices
    assert [(s.number, s.completed, s.failed, s.dropped, s.wrong) for s in found] == [(0, 2, 0, 0, 0), (3, 0, 2, 1, 1)]


def test_latency_of_a_slice_is_that_of_its_own_answers():
    """10 ms in the first, 200 ms in the second: neither moves the other."""
    series = a_series()
    for n in range(10):
        completed(series, 100.1 + n / 100, 0.01)
        completed(series, 101.5 + n / 100, 0.2) if n == 9 else None
    first, second = series.close().slices
    assert (first.latency.count, first.latency.max) == (10, pytest.approx(1e7, rel=1e-4))
    assert (second.latency.count, second.latency.min) == (1, pytest.approx(2e8, rel=1e-4))


def test_an_open_stage_has_corrected_latencies_in_its_slices():
    """From the intended start, as in the whole phase."""
    series = a_series(corrected=True)
    series.offered += 1
    series.complete(100.0, 100.5, 100.6)
    part = series.close()
    assert part.slices[0].latency.max == pytest.approx(6e8, rel=1e-4)
    assert part.latency is not None
    assert part.latency.max == part.slices[0].latency.max
    assert part.service.max == pytest.approx(1e8, rel=1e-4)


def test_what_ends_after_the_phase_is_in_no_slice():
    """It counts as completed, not within the window, and its latency isn't lost."""
    series = a_series(until=101.5)
    completed(series, 100.5)
    completed(series, 101.6)
    completed(series, 103.0)
    part = series.close()
    assert [s.number for s in part.slices] == [0]
    assert (part.completed, part.in_window, part.service.count) == (3, 1, 3)


def test_the_number_of_histograms_is_bounded():
    """An hour in slices of a second: the counts of all of them, latencies of the first ones, and no latency is lost to the whole."""
    series = a_series(begin=0.0, until=3600.0)
    for n in range(3600):
        completed(series, n + 0.5)
    part = series.close()
    assert len(part.slices) == sum(s.completed for s in part.slices) == 3600
    assert sum(1 for s in part.slices if s.latency.count) == MAX_SLICES
    assert part.service.count == 3600


@given(st.lists(st.tuples(st.floats(0, 6), st.integers(1, 10**9), st.booleans()), max_size=60), st.booleans())
def test_slices_add_up_to_the_phase(ends: list[tuple[float, int, bool]], corrected: bool):
    """Counts and histograms of all slices are those of the phase's window, whatever ends when."""
    series = a_series(corrected=corrected, begin=0.0, until=4.25)
    for now, took, fails in sorted(ends):
        series.offered += 1
        if fails:
            series.fail("Reset", now - took / 1e9, now)
        else:
            series.complete(now - took / 1e9, now - took / 1e9, now)
    part = series.close()
    assert sum(s.completed for s in part.slices) == part.in_window == sum(1 for now, _, fails in ends if not fails and now <= 4.25)
    assert sum(s.failed for s in part.slices) == sum(1 for now, _, fails in ends if fails and now <= 4.25)
    assert all(s.number == 4 or s.number < 4 for s in part.slices)
    within = merged(Histogram.decode(s.latency) for s in part.slices)
    late = Histogram()
    for now, took, fails in sorted(ends):
        if not fails and now > 4.25:
            late.record(int((now - (now - took / 1e9)) * 1e9))
    assert merged((within, late)).encode() == _latency(part)


class OneLoad:
    """What a user needs of its load."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def finished(self, user: User, now: float, *, failed: bool) -> None:
        """Nothing comes next."""


def test_connections_and_cache_outcomes_are_in_the_slice_of_their_calls():
    """The call that begins a slice has its own in it, not in the one before."""
    load, series = OneLoad(), a_series(until=104.0)
    user = User(load, 0, "s", ScriptedDriver(takes(9)), 1)
    for at, error, cache, opened in (
        (100.5, "", "hit", True),
        (101.5, "", "fwd=miss", False),
        (101.6, "", "fwd=method", False),
        (102.5, "Reset", "", True),
        (103.5, "Connect", "", True),
    ):
        series.offered += 1
        user.series, user.busy, user.intended, user.started = series, True, at - 0.01, at - 0.01
        load.time = at
        user.answered(error, cache, opened)
    found = [(s.number, s.opened, s.reused, s.hits, s.reads) for s in series.close().slices]
    assert found == [(0, 1, 0, 1, 1), (1, 0, 2, 0, 1), (2, 1, 0, 0, 0), (3, 0, 0, 0, 0)]


def _latency(part: SeriesPart) -> object:
    return part.service if part.latency is None else part.latency
