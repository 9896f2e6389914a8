"""Shares of N runners add up to the one-runner plan: users and arrivals, at any time (trap T17)."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_loadtest.plan.schedule import ClosedSchedule, OpenSchedule
from slipstream_loadtest.plan.shares import numbers, share

runners = st.integers(min_value=1, max_value=12)
fractions = st.fractions(min_value=0, max_value=2000, max_denominator=97)


@settings(deadline=None)
@given(fractions, runners)
def test_trap_t17_shares_of_users_sum_to_the_whole_at_any_time(total: Fraction, n: int):
    """A ramp stands at a fraction of users: floor of it is split, nobody's share more than one apart."""
    shares = [share(total, index, n) for index in range(n)]
    assert sum(shares) == total.numerator // total.denominator
    assert max(shares) - min(shares) <= 1


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=500), runners)
def test_users_have_every_number_once(total: int, n: int):
    """User numbers, and with them sessions, are never shared between runners."""
    found = sorted(number for index in range(n) for number in ClosedSchedule.of(total, index, n).most)
    assert found == list(range(total))


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=100), st.integers(min_value=0, max_value=100), runners)
def test_a_user_keeps_its_runner_when_a_stage_has_more_users(few: int, more: int, n: int):
    """The numbers of a smaller stage are the first ones of a larger stage, on every runner."""
    small, large = sorted((few, few + more))
    for index in range(n):
        assert list(numbers(large, index, n))[: len(numbers(small, index, n))] == list(numbers(small, index, n))


@settings(deadline=None)
@given(st.fractions(min_value=Fraction(1, 10), max_value=500, max_denominator=11), st.integers(min_value=1, max_value=5000), runners)
def test_trap_t17_arrivals_of_all_runners_are_the_one_runner_sequence(rate: Fraction, milliseconds: int, n: int):
    """Same numbers, same instants, none twice, none missing; so there is no bunching either."""
    seconds = Fraction(milliseconds, 1000)
    whole = OpenSchedule(rate, seconds)
    parts = [OpenSchedule(rate, seconds, index, n) for index in range(n)]
    found = sorted((part.number(j), part.due(j)) for part in parts for j in range(part.count()))
    assert found == [(j, whole.due(j)) for j in range(whole.count())]
    assert all(0 <= due < seconds for _, due in found)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=100_000))
def test_arrivals_lie_where_exact_arithmetic_puts_them(j: int):
    """No rounding error adds up: the j-th arrival at 3000/s is j / 3000 s, correctly rounded."""
    assert OpenSchedule(Fraction(3000), Fraction(60)).due(j) == float(Fraction(j, 3000))
