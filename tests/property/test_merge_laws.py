"""Laws of the merge: commutative, associative (any grouping of the fold), idempotent; nothing is lost or invented."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_loadtest.measured.merge import Parts, fold, merge
from slipstream_loadtest.measured.part import LIVE, Part
from tests.fakes.loadtest_plans import a_part, a_plan, a_series, gathered

PLAN = a_plan(runners={"count": 5})


@st.composite
def a_random_part(draw: st.DrawFn) -> Part:
    latencies = draw(st.lists(st.integers(min_value=0, max_value=5000), max_size=5))
    errors = draw(st.dictionaries(st.sampled_from(["Timeout", "Reset", "Wrong"]), st.integers(min_value=1, max_value=3)))
    return a_part(
        PLAN,
        {0: a_series(PLAN, latencies, errors=errors)},
        index=draw(st.integers(min_value=0, max_value=4)),
        attempt=draw(st.sampled_from("ab")),
        aborted=draw(st.sampled_from(["", "", "cut", LIVE])),
    )


parts = st.lists(a_random_part(), max_size=10)


@settings(max_examples=60)
@given(parts, st.randoms(use_true_random=False))
def test_order_does_not_matter(several: list[Part], random: Random):
    """Parts arrive as they like."""
    shuffled = several[:]
    random.shuffle(shuffled)
    assert merge(PLAN, shuffled) == merge(PLAN, several)


@settings(max_examples=60)
@given(parts)
def test_twice_is_once(several: list[Part]):
    """Every part over HTTP and in the log as well."""
    assert merge(PLAN, several + several) == merge(PLAN, several)


@settings(max_examples=60)
@given(parts, st.randoms(use_true_random=False))
def test_the_last_word_depends_on_no_order_and_snapshots_are_in_no_figure(several: list[Part], random: Random):
    """Parts and snapshots mixed, each twice, in any order; without the snapshots the figures are the same."""
    whole = [part for part in several if part.aborted != LIVE]
    shuffled = several * 2
    random.shuffle(shuffled)
    assert gathered(PLAN, shuffled, "r") == gathered(PLAN, several, "r") == gathered(PLAN, whole, "r") == merge(PLAN, whole, "r")


@settings(max_examples=60)
@given(parts, parts)
def test_what_was_folded_before_can_be_folded_again(first: list[Part], second: list[Part]):
    """An operator that restarts in the middle folds what it has, then the rest: the same as all at once."""

    def folded(known: Parts, several: list[Part]) -> Parts:
        for part in several:
            known = fold(known, part)
        return known

    early, late = folded({}, first), folded({}, second)
    assert folded(early, list(late.values())) == folded(folded({}, first), second) == folded(late, list(early.values()))


@settings(max_examples=60)
@given(parts)
def test_offered_is_what_the_chosen_parts_offered(several: list[Part]):
    """One attempt per index; received and lost make all."""
    result = merge(PLAN, several)
    assert sorted(result.received + result.lost) == list(range(5))
    assert set(result.received) == {part.index for part in several}
    total = sum(step.offered for window in result.windows for step in window.steps)
    assert total == sum(s.completed + s.failed + s.dropped + s.censored for w in result.windows for s in w.steps)
    assert total <= sum(part.offered for part in several)
