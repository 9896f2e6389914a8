"""Seeded draws: the same for the same place, spread as the weights say."""

from collections import Counter

import pytest

from slipstream_loadtest.plan.draws import Weighted, draw, row, stream


def test_draws_depend_on_seed_stream_and_index_alone():
    """Two processes draw the same; another seed, user or index draws something else."""
    start = stream(1, 2, 3)
    assert draw(start, 5) == draw(stream(1, 2, 3), 5)
    others = {draw(stream(2, 2, 3), 5), draw(stream(1, 2, 4), 5), draw(start, 6)}
    assert draw(start, 5) not in others
    assert len(others) == 3


def test_weights_are_kept():
    """9 : 1 over 20,000 draws is within one percentage point."""
    weighted = Weighted((9, 1))
    start = stream(7)
    picked = Counter(weighted.pick(draw(start, n)) for n in range(20_000))
    assert picked[0] / 20_000 == pytest.approx(0.9, abs=0.01)


def test_rows_are_drawn_evenly_and_lists_independently():
    """Every row comes up, and two lists of one iteration don't march in step."""
    start = stream(7)
    pairs = Counter((row(draw(start, n), 0, 4), row(draw(start, n), 1, 4)) for n in range(16_000))
    assert len(pairs) == 16
    assert all(800 < count < 1200 for count in pairs.values())


def test_alternative_of_weight_0_is_never_chosen():
    """Weight 0 is off."""
    weighted = Weighted((1, 0, 1))
    assert {weighted.pick(n) for n in range(100)} == {0, 2}


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1)])
def test_weights_that_choose_nothing_are_refused(weights: tuple[int, ...]):
    """A choice among nothing is a mistake of the plan."""
    with pytest.raises(ValueError, match="weights"):
        Weighted(weights)
