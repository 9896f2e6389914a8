"""Accounting: every offered call ends once; durations of right answers, failures and cut-off calls are kept apart."""

import pytest

from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.tally import MAX_KINDS, OTHER, WRONG, AccountingError, Counts, Series, nanoseconds


def a_series(*, corrected: bool = False, until: float = 10.0) -> Series:
    return Series("read", "get", until, corrected=corrected)


def test_trap_T04_offered_is_the_sum_of_all_ends():
    """offered = completed + failed + dropped + censored."""
    series = a_series()
    series.offered += 3
    series.complete(0, 0, 1)
    series.fail("Timeout", 0, 1)
    series.censor(0, 0, 1)
    series.drop()
    part = series.close()
    assert (part.offered, part.completed, part.failed, part.censored, part.dropped) == (4, 1, 1, 1, 1)
    assert part.unaccounted() == 0


def test_a_call_without_an_end_is_an_accounting_error():
    """The negative control: a lost call doesn't go unnoticed."""
    series = a_series()
    series.offered += 1
    with pytest.raises(AccountingError, match="1 of 1 offered calls have no end"):
        series.close()


def test_a_call_with_two_ends_is_an_accounting_error():
    """Counted twice is as wrong as lost."""
    series = a_series()
    series.offered += 1
    series.complete(0, 0, 1)
    series.fail("Reset", 0, 1)
    with pytest.raises(AccountingError):
        series.close()


def test_trap_T06_failures_never_touch_the_latency_of_right_answers():
    """A server that fails fast doesn't improve the p95."""
    series = a_series()
    for _ in range(10):
        series.offered += 2
        series.complete(0, 0, 0.1)
        series.fail("Status503", 0, 0.001)
    part = series.close()
    assert Histogram.decode(part.service).quantile(0.5) == pytest.approx(1e8, rel=0.005)
    assert Histogram.decode(part.error_after).count == 10


def test_corrected_latency_and_service_time_have_different_names():
    """From the intended start, and from the actual one."""
    series = a_series(corrected=True)
    series.offered += 1
    series.complete(1.0, 3.0, 4.0)
    part = series.close()
    assert part.latency is not None
    assert (part.latency.max, part.service.max) == (3_000_000_000, 1_000_000_000)


def test_trap_T03_a_closed_stage_has_only_a_service_time():
    """Without an intended start there is nothing to correct, and nothing is made up."""
    series = a_series()
    series.offered += 1
    series.complete(1.0, 3.0, 4.0)
    assert series.close().latency is None


def test_answers_after_the_window_are_no_throughput():
    """They count as completed, with their latency, but not as work done within the window."""
    series = a_series(until=10.0)
    series.offered += 2
    series.complete(9, 9, 10.0)
    series.complete(9, 9, 10.1)
    part = series.close()
    assert (part.completed, part.in_window) == (2, 1)


def test_wrong_answers_are_failures_counted_apart():
    """An answer that isn't the one to this request is worse than none."""
    series = a_series()
    series.offered += 1
    series.fail(WRONG, 0, 1)
    part = series.close()
    assert (part.failed, part.wrong, part.errors) == (1, 1, {"Wrong": 1})


def test_trap_T07_a_cut_off_call_keeps_its_elapsed_time():
    """As a lower bound, from the intended start where there is one."""
    series = a_series(corrected=True)
    series.offered += 1
    series.censor(1.0, 2.0, 4.0)
    assert series.close().censored_after.max == 3_000_000_000


def test_trap_T30_kinds_are_bounded_and_the_rest_is_counted():
    """A kind with an id in it can't grow without end; nothing is lost."""
    counts = Counts()
    for n in range(1000):
        counts.add(f"kind-{n}")
    counts.add("kind-0")
    assert len(counts.by_name) == MAX_KINDS + 1
    assert counts.by_name[OTHER] == 1000 - MAX_KINDS
    assert sum(counts.by_name.values()) == 1001


def test_rounding_of_an_intended_start_is_no_negative_duration():
    """Two readings a rounding error apart the wrong way round are 0 ns apart."""
    assert nanoseconds(1.0000000001, 1.0) == 0
