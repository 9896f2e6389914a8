"""The merge: sums, no matter in which order; lost, foreign, repeated and unlike parts are told apart."""

import pytest

from slipstream_loadtest.judged.metrics import measure
from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import GeneratorPart
from tests.fakes.loadtest_plans import a_part, a_plan, a_series

PLAN = a_plan(runners={"count": 4})
SERIES = a_series(PLAN, [10] * 20)


def test_windows_of_all_runners_add_up():
    """Counts, histograms, throughput over the fixed window of 10 s."""
    result = merge(PLAN, [a_part(PLAN, {0: SERIES}, index=index) for index in range(4)])
    (window, _) = result.windows
    assert window.steps[0].completed == 80
    assert window.throughput == pytest.approx(8.0)
    assert (result.received, result.lost) == ((0, 1, 2, 3), ())


def test_trap_T08_rates_are_sums_over_each_runners_own_window():
    """Runners that began 20 minutes apart don't dilute the rate: no span of wall-clock time is in a part."""
    one = merge(a_plan(), [a_part(a_plan(), {0: SERIES})])
    assert merge(PLAN, [a_part(PLAN, {0: SERIES}, index=i) for i in range(4)]).windows[0].throughput == 4 * one.windows[0].throughput


def test_trap_T14_the_same_part_twice_changes_nothing():
    """Fetched over HTTP and found in the log: counted once."""
    part = a_part(PLAN, {0: SERIES})
    assert merge(PLAN, [part, part]) == merge(PLAN, [part])


def test_trap_T14_another_attempt_of_an_index_is_not_added_up():
    """A replaced pod measured the same share again: the whole part counts, the aborted one is superseded, in any order."""
    whole = a_part(PLAN, {0: SERIES}, attempt="b")
    cut = a_part(PLAN, {0: a_series(PLAN, [1] * 50)}, attempt="a", aborted="SIGTERM")
    for parts in ([whole, cut], [cut, whole]):
        result = merge(PLAN, parts)
        assert (result.windows[0].steps[0].completed, result.superseded, result.aborted) == (20, 1, "")


def test_a_later_state_of_the_same_attempt_replaces_the_earlier():
    """A part that is sent while the run goes on grows; only its last state counts."""
    early, late = a_part(PLAN, {0: a_series(PLAN, [10])}), a_part(PLAN, {0: SERIES})
    assert merge(PLAN, [late, early]) == merge(PLAN, [early, late]) == merge(PLAN, [late])


def test_trap_T15_a_lost_runner_is_counted():
    """3 of 4: the result says which one is missing."""
    result = merge(PLAN, [a_part(PLAN, {0: SERIES}, index=i) for i in (0, 1, 3)])
    assert (result.received, result.lost) == ((0, 1, 3), (2,))


def test_no_parts_is_a_result_of_nothing():
    """All lost: still a result that can be judged and stored."""
    result = merge(PLAN, [])
    assert result.lost == (0, 1, 2, 3)
    assert measure("latency.p95", list(result.windows)).value is None


def test_trap_T11_parts_of_another_plan_are_refused():
    """Another seed is another plan."""
    other = a_plan(runners={"count": 4}, seed=8)
    with pytest.raises(Unlike, match="measured another plan"):
        merge(PLAN, [a_part(other, {0: SERIES})])


def test_parts_of_another_run_are_left_out_or_refused():
    """With the run named, others don't count; without, two runs are a mistake."""
    mine, foreign = a_part(PLAN, {0: SERIES}, run="1"), a_part(PLAN, {0: SERIES}, run="2", index=1)
    assert merge(PLAN, [mine, foreign], "1").received == (0,)
    with pytest.raises(Unlike, match="several runs: 1, 2"):
        merge(PLAN, [mine, foreign])


def test_an_index_that_the_plan_does_not_have_is_refused():
    """Four runners have no index 4."""
    with pytest.raises(Unlike, match="runners 0 to 3"):
        merge(PLAN, [a_part(PLAN, {0: SERIES}, index=4)])


def test_other_steps_than_the_planned_ones_are_refused():
    """A part is written by a pod: its names are checked, not believed."""
    import msgspec

    renamed = msgspec.structs.replace(SERIES, step="other")
    with pytest.raises(Unlike, match="other steps"):
        merge(PLAN, [a_part(PLAN, {0: renamed})])


def test_the_busiest_runner_is_shown():
    """An average would hide the one that was saturated."""
    calm, busy = GeneratorPart(cpu_ms=100, wall_ms=1000), GeneratorPart(cpu_ms=950, wall_ms=1000)
    parts = [a_part(PLAN, {0: SERIES}, index=0, generator=calm), a_part(PLAN, {0: SERIES}, index=1, generator=busy)]
    assert merge(PLAN, parts).windows[0].cpu_percent == 95


def test_an_aborted_part_makes_an_aborted_result():
    """Whichever runner it was."""
    parts = [a_part(PLAN, {0: SERIES}, index=0), a_part(PLAN, {0: SERIES}, index=1, aborted="suspended")]
    assert merge(PLAN, parts).aborted == "suspended"
