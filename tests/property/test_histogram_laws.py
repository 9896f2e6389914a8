"""Laws of the histogram: order of quantiles, any split and order the same bytes, agreement with sorted lists and with HdrHistogram."""

from fractions import Fraction
from math import ceil
from random import Random

import msgspec
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from slipstream_loadtest.measured.histogram import HIGHEST, Histogram, HistogramData, merged

values = st.lists(st.integers(min_value=0, max_value=2 * HIGHEST) | st.integers(min_value=0, max_value=10_000_000), max_size=200)
QS = [Fraction(n, 1000) for n in (0, 1, 500, 900, 950, 990, 999, 1000)]


def of(numbers: list[int]) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.record(number)
    return histogram


@given(values)
def test_quantiles_are_ordered_and_lie_within_the_data(numbers: list[int]):
    """min <= p50 <= … <= max for every input."""
    histogram = of(numbers)
    found = [histogram.quantile(q) for q in QS]
    if numbers:
        known = [q for q in found if q is not None]
        assert known == sorted(known)
        assert (known[0], known[-1]) == (min(numbers), max(numbers))
    else:
        assert set(found) == {None}


@given(st.lists(st.integers(min_value=0, max_value=HIGHEST), min_size=1, max_size=200), st.sampled_from(QS))
def test_quantile_agrees_with_the_sorted_list(numbers: list[int], q: Fraction):
    """Nearest rank on the raw values, within half a bucket (1/512)."""
    exact = sorted(numbers)[max(1, ceil(q * len(numbers))) - 1]
    found = of(numbers).quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact / 512 + 1


@given(values, st.integers(min_value=1, max_value=5), st.randoms(use_true_random=False))
def test_any_split_in_any_order_merges_to_equal_bytes(numbers: list[int], pieces: int, random: Random):
    """Trap T1: merging loses nothing and depends on nothing."""
    shuffled = numbers[:]
    random.shuffle(shuffled)
    split = [of(shuffled[at::pieces]) for at in range(pieces)]
    random.shuffle(split)
    assert msgspec.json.encode(merged(split).encode()) == msgspec.json.encode(of(numbers).encode())


@given(values)
def test_count_sum_min_and_max_are_exact(numbers: list[int]):
    """What isn't a quantile isn't estimated; the mean of a merge is the mean of all (trap T13)."""
    histogram = merged([of(numbers[::2]), of(numbers[1::2])])
    assert (histogram.count, histogram.sum) == (len(numbers), sum(numbers))
    if numbers:
        assert histogram.mean() == sum(numbers) / len(numbers)


@given(values)
def test_codec_round_trip(numbers: list[int]):
    """decode(encode(h)) has the same bytes."""
    data = of(numbers).encode()
    wire = msgspec.json.decode(msgspec.json.encode(data), type=HistogramData)
    assert Histogram.decode(wire).encode() == data


@given(st.lists(st.integers(min_value=1_000, max_value=HIGHEST), min_size=1, max_size=100), st.data())
def test_quantile_agrees_with_hdrhistogram(numbers: list[int], data: st.DataObject):
    """The oracle counts in the same unit with three significant digits: at most 1 % apart.

    Asked for whole ranks: between them it rounds half up where nearest-rank rounds up, one of the differences of trap T12.
    """
    rank = data.draw(st.integers(min_value=1, max_value=len(numbers)))
    oracle = HdrHistogram(1, HIGHEST, 3)
    for number in numbers:
        oracle.record_value(number)
    found = of(numbers).quantile(Fraction(rank, len(numbers)))
    assert found is not None
    assert abs(found - oracle.get_value_at_percentile(100 * rank / len(numbers))) <= 0.01 * found + 1
