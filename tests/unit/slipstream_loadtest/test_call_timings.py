"""Phases of calls: queue, connect, TLS, first byte, last byte; together they are the whole, and the common call is counted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import SeriesPart, TimingsPart
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.measured.timings import CallTimings

MS = 1_000_000


def a_series(*, corrected: bool = False) -> Series:
    return Series("read", "get", float("inf"), corrected=corrected)


def timings_of(part: SeriesPart) -> TimingsPart:
    assert part.timings is not None
    return part.timings


def test_a_call_in_one_piece_waits_for_its_first_byte_alone():
    """Its first byte is its service time, exactly; it waited 0 for a connection and opened none."""
    series = a_series()
    series.offered += 1
    series.complete(1.0, 1.0, 1.25)
    part = series.close()
    told = timings_of(part)
    assert told.first_byte == part.service
    assert (told.queue.count, told.queue.max, told.last_byte.max) == (1, 0, 0)
    assert told.connect.count == told.tls.count == 0


def test_phases_are_told_apart():
    """10 ms of queue, 20 of connecting, 30 of TLS, 5 for the rest of the answer: 35 of 100 ms were the wait for the first byte."""
    series = a_series()
    series.offered += 1
    series.complete(0.0, 0.0, 0.1, CallTimings(queue=0.01, connect=0.02, tls=0.03, last_byte=0.005))
    told = timings_of(series.close())
    found = [h.sum / MS for h in (told.queue, told.connect, told.tls, told.first_byte, told.last_byte)]
    assert found == pytest.approx([10, 20, 30, 35, 5], abs=0.001)


def test_trap_t19_in_the_open_model_waiting_before_the_start_is_queue():
    """Due at 1 s, started at 3 s, answered at 4 s: 2 s of queue, 1 s for the first byte, and together the latency."""
    series = a_series(corrected=True)
    series.offered += 2
    series.complete(1.0, 3.0, 4.0)
    series.complete(1.0, 3.0, 4.0, CallTimings(queue=0.25))
    part = series.close()
    told = timings_of(part)
    assert (told.queue.min, told.queue.max) == (2_000_000_000, 2_250_000_000)
    assert part.latency is not None
    assert told.queue.sum + told.first_byte.sum == part.latency.sum


def test_nothing_right_has_no_phases():
    """Failures have a duration, and no phases."""
    series = a_series()
    series.offered += 1
    series.fail("Reset", 0.0, 1.0)
    assert series.close().timings is None


SECONDS = st.floats(0, 0.2)


@given(st.lists(st.tuples(SECONDS, st.none() | SECONDS, SECONDS, st.booleans()), min_size=1, max_size=30))
def test_phases_add_up_to_the_service_time(calls: list[tuple[float, float | None, float, bool]]):
    """To the nanosecond: rounding goes to the wait for the first byte."""
    series = a_series()
    for queue, connect, last, whole in calls:
        series.offered += 1
        series.complete(0.0, 0.0, 1.0, None if whole else CallTimings(queue=queue, connect=connect, last_byte=last))
    part = series.close()
    told = timings_of(part)
    assert sum(h.sum for h in (told.queue, told.connect, told.tls, told.first_byte, told.last_byte)) == part.service.sum
    assert told.first_byte.count == told.queue.count == told.last_byte.count == part.completed
    assert told.connect.count == sum(1 for _, connect, _, whole in calls if not whole and connect is not None)
    for data in (told.queue, told.first_byte, told.last_byte):
        Histogram.decode(data)
