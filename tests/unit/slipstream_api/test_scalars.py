"""Durations and sizes as texts and numbers, ours and CEL's."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_api import cel
from slipstream_api.scalars import format_duration, parse_duration, parse_quantity


@pytest.mark.parametrize(
    ("text", "ms"), [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("0s", 0), ("1s1s", 2_000)]
)
def test_durations(text: str, ms: int) -> None:
    """Milliseconds."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "10", "1d", "1.5s", "-1s", "3 s", "5min", "1h1h1h1h1h", "5m\n", "123456s"])
def test_what_is_no_duration_is_told_what_one_is(text: str) -> None:
    """ValueError with examples."""
    with pytest.raises(ValueError, match="250ms, 30s, 5m or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 99_999 * 3_600_000))
def test_durations_survive_their_text(ms: int) -> None:
    """format, then parse."""
    assert parse_duration(format_duration(ms)) == ms


@pytest.mark.parametrize(
    ("value", "number"), [("64Mi", 64 << 20), (1024, 1024), ("1.5Gi", 3 << 29), ("1500k", 1_500_000), ("0.5", 1), ("1m", 1), ("1T", 10**12)]
)
def test_sizes_are_whole_and_rounded_up(value: str | int, number: int) -> None:
    """Bytes."""
    assert parse_quantity(value) == number


@pytest.mark.parametrize("value", ["", "64MB", "64K", "-1", -1, "1e3", "x", "1.2345"])
def test_what_is_no_size_is_told_what_one_is(value: str | int) -> None:
    """ValueError with examples."""
    with pytest.raises(ValueError, match="512Ki, 64Mi or 1G"):
        parse_quantity(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5s", Fraction(3, 2)), ("-1s", -1), ("+1s", 1), ("0", 0), ("-0s", 0), (".5s", Fraction(1, 2)), ("1us", Fraction(1, 10**6))],
)
def test_cel_takes_durations_that_are_none_of_ours(text: str, seconds: Fraction) -> None:
    """What Go's time.ParseDuration takes."""
    assert cel.duration(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1s 1s", "99999999999h", "1.s.", "--1s"])
def test_what_is_no_duration_to_cel_either(text: str) -> None:
    """The rule counts as broken."""
    with pytest.raises(ValueError, match="duration"):
        cel.duration(text)


@pytest.mark.parametrize(
    ("value", "number"),
    [(-5, -5), ("+5", 5), ("5e4", 50_000), ("5E4", 50_000), ("1E", 10**18), ("1Ei", 1 << 60), ("1n", Fraction(1, 10**9)), ("1.", 1)],
)
def test_cel_takes_quantities_that_are_no_sizes_of_ours(value: str | int, number: Fraction) -> None:
    """What resource.ParseQuantity takes."""
    assert cel.quantity(value) == number


@pytest.mark.parametrize("value", ["", "x", "5 ", "1K", "1MB", "1e", ".", "--1"])
def test_what_is_no_quantity_to_cel_either(value: str) -> None:
    """The rule counts as broken."""
    with pytest.raises(ValueError, match="quantity"):
        cel.quantity(value)


@given(st.from_regex(r"([0-9]{1,5}(h|m|s|ms)){1,4}", fullmatch=True))
def test_our_durations_mean_the_same_to_cel(text: str) -> None:
    """Twin and compiler agree on every duration that the pattern lets pass."""
    assert cel.duration(text) == parse_duration(text) * 10**6


@given(st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?", fullmatch=True))
def test_our_sizes_mean_the_same_to_cel(text: str) -> None:
    """But for the rounding up."""
    assert 0 <= parse_quantity(text) - cel.quantity(text) < 1
