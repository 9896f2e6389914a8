"""The budget, the back-off and Retry-After of further attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.cores.retry import ASKED_NOTHING, MOST, MOST_SAVED, RESERVE, RESERVE_PER_SECOND, RetryBudget, asked_wait, backoff
from tests.fakes.cores import Dice, lines


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 100)), max_size=40), st.integers(0, 100))
def test_trap_37_retries_never_exceed_their_share_of_the_calls_and_the_reserve(steps: list[tuple[int, int, float]], percent: int) -> None:
    """Whatever the order of calls, retries and time."""
    now, calls, made = 1_000.0, 0, 0
    budget = RetryBudget(now)
    for more, wanted, seconds in steps:
        now += seconds
        for _ in range(more):
            budget.earn(percent / 100)
        calls += more
        made += sum(budget.spend(now) for _ in range(wanted))
        assert made <= calls * percent / 100 + RESERVE + (now - 1_000.0) * RESERVE_PER_SECOND + 1e-6


def test_rare_calls_can_be_retried_and_calm_times_save_up_little() -> None:
    """The reserve comes back with time; what is saved is bounded, so that an outage doesn't begin with a storm."""
    budget = RetryBudget(0.0)
    assert [budget.spend(0.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.spend(10.0), budget.spend(10.0)] == [True, False]
    for _ in range(100_000):
        budget.earn(0.2)
    assert sum(budget.spend(10.0) for _ in range(1_000)) == MOST_SAVED


def test_the_wait_doubles_is_capped_and_jittered_downwards() -> None:
    """Callers that failed together don't return together."""
    assert [backoff(n, Dice(0.0)) for n in (1, 2, 3, 4, 5, 40)] == [0.025, 0.05, 0.1, 0.2, MOST, MOST]
    assert backoff(1, Dice(1.0)) == 0.0125


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, ASKED_NOTHING),
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "9" * 40}, 1_000_000.0),
        ({"retry_after": "-1"}, ASKED_NOTHING),
        ({"retry_after": "soon"}, ASKED_NOTHING),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}, ASKED_NOTHING),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:49 GMT"}, 10.0),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:49 GMT", "date": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "\xff"}, ASKED_NOTHING),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float) -> None:
    """A date counts from the answer's own Date: no clock of ours matters."""
    assert asked_wait(lines(**headers)) == seconds
