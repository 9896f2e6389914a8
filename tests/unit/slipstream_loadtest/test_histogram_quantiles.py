"""The histogram: exact counts, bounded error, quantiles that never leave the data, a codec that refuses what it can't add up."""

import msgspec
import pytest

from slipstream_loadtest.measured.histogram import HIGHEST, Histogram, HistogramData, Unlike, bucket_bounds, merged

MS = 1_000_000


def of(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def test_trap_T01_percentiles_are_merged_not_averaged():
    """Runner A measures 1..1000 ms, B 1001..2000 ms: the p99 of both is 1980 ms, not the mean of 990 and 1990."""
    a, b = of(*(n * MS for n in range(1, 1001))), of(*(n * MS for n in range(1001, 2001)))
    p99 = merged([a, b]).quantile(0.99)
    assert p99 is not None
    assert p99 / MS == pytest.approx(1980, rel=0.005)


def test_trap_T01_holds_for_unequal_counts():
    """A thousand fast calls and ten slow ones: the p95 is a fast one."""
    fast, slow = of(*[10 * MS] * 1000), of(*[1000 * MS] * 10)
    assert merged([fast, slow]).quantile(0.95) == pytest.approx(10 * MS, rel=0.005)


def test_trap_T09_no_quantile_exceeds_the_maximum():
    """A bucket is wider than the value in it: its quantile is still the exact value."""
    histogram = of(1_000_003)
    assert [histogram.quantile(q) for q in (0, 0.5, 0.99, 1)] == [1_000_003] * 4


def test_trap_T10_a_value_above_the_range_is_counted_and_its_maximum_exact():
    """Two hours in a histogram of one hour: in overflow, count, sum and max; the tail quantile is the maximum."""
    histogram = of(MS, 2 * HIGHEST)
    assert (histogram.overflow, histogram.count, histogram.max, histogram.sum) == (1, 2, 2 * HIGHEST, MS + 2 * HIGHEST)
    assert histogram.quantile(1.0) == 2 * HIGHEST


def test_rank_is_nearest_rank():
    """Of 1..100 ns the p95 is the 95th value: the smallest with at least 95 % at or below it."""
    assert of(*range(1, 101)).quantile(0.95) == 95
    assert of(1, 2).quantile(0.5) == 1
    assert of(*range(1, 101)).quantile(0.951) == 96


def test_trap_T12_rank_is_exact_where_floats_are_not():
    """0.07 * 100 is 7.000000000000001 in floats, which would choose the 8th value; a Fraction doesn't."""
    from fractions import Fraction

    assert of(*range(1, 101)).quantile(Fraction(7, 100)) == 7


def test_empty_histogram_has_no_quantile_and_no_mean():
    """No samples is no zero."""
    assert Histogram().quantile(0.95) is None
    assert Histogram().mean() is None


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_quantile_outside_0_to_1_is_refused(q: float):
    """A percent given as a quantile is a mistake, not the maximum."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        of(1).quantile(q)


def test_negative_duration_is_refused():
    """A clock that goes back is a defect, not a fast answer."""
    with pytest.raises(ValueError, match="negative"):
        Histogram().record(-1)


def test_buckets_are_at_most_a_256th_of_their_value_wide():
    """The documented precision, over the whole range."""
    for value in (512, 1_000, 12_345, MS, 7 * MS, HIGHEST):
        histogram = of(value)
        (index,) = histogram.counts
        low, high = bucket_bounds(index)
        assert low <= value <= high
        assert high - low < value / 256


def test_adding_an_empty_histogram_keeps_the_minimum():
    """The 0 of an empty histogram is no minimum."""
    histogram = of(5)
    histogram.add(Histogram())
    assert histogram.min == 5
    empty = Histogram()
    empty.add(of(5))
    assert empty.min == 5


def test_codec_gives_the_histogram_back():
    """Encoded, sent as JSON and decoded: the same quantiles, the same bytes."""
    histogram = of(3, 700, 5 * MS, 2 * HIGHEST)
    data = msgspec.json.decode(msgspec.json.encode(histogram.encode()), type=HistogramData)
    again = Histogram.decode(data)
    assert msgspec.json.encode(again.encode()) == msgspec.json.encode(histogram.encode())
    assert again.quantile(0.5) == histogram.quantile(0.5)


@pytest.mark.parametrize(
    "change", [{"unit": "us"}, {"bits": 7}, {"highest": 60}, {"version": 2}], ids=["unit", "digits", "range", "version"]
)
def test_trap_T11_unlike_histograms_are_refused(change: dict[str, object]):
    """Another unit, precision, range or version: refused with a named error, not added up."""
    data = msgspec.structs.replace(of(5).encode(), **change)
    with pytest.raises(Unlike, match="adds up only"):
        Histogram.decode(data)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 3},
        {"buckets": (5,)},
        {"buckets": (5, 0)},
        {"buckets": (5, -1, 6, 2)},
        {"buckets": (6, 1, 5, 0)},
        {"min": 9},
        {"overflow": -1},
    ],
)
def test_contents_that_do_not_add_up_are_refused(change: dict[str, object]):
    """A corrupted part is told from a measurement."""
    with pytest.raises(Unlike):
        Histogram.decode(msgspec.structs.replace(of(5).encode(), **change))
