"""Lost, late, double and corrupted parts: each is told from the others, and the verdict says so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.histogram import HistogramData, Unlike
from slipstream_loadtest.measured.merge import gather, merge
from slipstream_loadtest.measured.part import (
    IsolationPart,
    MemorySample,
    Part,
    SeriesPart,
    SlicePart,
    decode_part,
    digest,
    encode_part,
    find_parts,
    frame,
)
from slipstream_loadtest.measured.result import Known
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_part, a_plan, a_series, gathered
from tests.fakes.loadtest_slices import Second, live_part, sliced, timed

PLAN = a_plan(runners={"count": 4}, thresholds=[{"name": "p95", "metric": "latency.p95", "max": "50ms"}])
SERIES = a_series(PLAN, [10] * 20)


def of(index: int, series: SeriesPart = SERIES, plan: Plan = PLAN, attempt: str = "a", aborted: str = "", run: str = "r") -> Part:
    return a_part(plan, {0: series}, index=index, attempt=attempt, aborted=aborted, run=run)


ALL = [of(index) for index in range(4)]


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_all_there_is_nothing_to_say() -> None:
    """The control of all the others."""
    assert codes(judge(PLAN, gathered(PLAN, ALL, "r"))) == ["Passed"]


def test_trap_t14_a_double_is_counted_once_and_never_said() -> None:
    """Over HTTP and in the log: the same bytes."""
    assert gathered(PLAN, [*ALL, *ALL], "r") == gathered(PLAN, ALL, "r")


def test_trap_t14_a_late_part_of_a_replaced_attempt_is_left_out_and_said() -> None:
    """So is one of an earlier run."""
    late, foreign = of(2, attempt="0", aborted="SIGTERM"), of(1, run="before")
    result = gathered(PLAN, [*ALL, late, foreign], "r")
    assert (result.superseded, result.foreign, result.windows[0].steps[0].completed) == (1, 1, 80)
    verdict = judge(PLAN, result)
    assert codes(verdict) == ["Passed", "LatePart", "LatePart"]


def snapshot(series: SeriesPart, held_ms: int = 9_000, index: int = 3) -> Part:
    return live_part(PLAN, {0: series}, held_ms, index=index)


def test_a_snapshot_of_a_run_that_goes_on_is_replaced_by_its_last_word() -> None:
    """However much more it has offered."""
    live, cut = snapshot(a_series(PLAN, [10] * 50)), of(3, aborted="the pod was told to stop")
    assert gathered(PLAN, [*ALL[:3], cut, live], "r") == gathered(PLAN, [*ALL[:3], cut], "r")


HEARD = [Known(index=index, until_ms=7_250, offered=42, completed=40, failed=2, dropped=0) for index in (3, 2)]


def test_trap_t15_what_a_lost_runner_is_known_to_have_done_is_said_and_in_no_figure() -> None:
    """Of the lost one alone; the three others are judged as if nothing were known, and a snapshot of it adds nothing."""
    whole = [*map(encode_part, ALL[:3])]
    result = gather(PLAN, [*whole, encode_part(snapshot(SERIES))], "r", known=HEARD)
    assert result.known == (HEARD[0],)
    assert replace(result, known=()) == gather(PLAN, whole, "r")
    verdict = judge(PLAN, result)
    assert codes(verdict) == ["LostRunner"]
    assert verdict.reasons[0].message.endswith("runner 3 had offered 42 calls by 7.25s (40 answered, 2 failed), which are in no figure")
    assert gather(PLAN, [*map(encode_part, ALL)], "r", known=HEARD).known == ()


def test_trap_t15_a_corrupted_part_is_a_lost_runner_and_named() -> None:
    """Its log had a byte changed; who it was can't be known, so the runner is lost and the digest is told."""
    lines = frame(encode_part(ALL[3]))
    mark, name, number, text = lines[0].split(" ")
    found = find_parts([" ".join((mark, name, number, text[:40] + ("A" if text[40] != "A" else "B") + text[41:]))])
    assert found.parts == {}
    result = gathered(PLAN, ALL[:3], "r", found.broken)
    verdict = judge(PLAN, result)
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["LostRunner", "BrokenPart"])
    assert verdict.reasons[1].message.startswith(f"{name[:12]}: ")


def test_a_part_that_breaks_the_law_of_accounting_is_refused_by_name() -> None:
    """Ten offered calls of runner 2 have no end."""
    torn = of(2, replace(SERIES, offered=30))
    result = gathered(PLAN, [*ALL[:2], torn, ALL[3]], "r")
    assert (result.lost, [one.name for one in result.refused]) == ((2,), [digest(encode_part(torn))[:12]])
    assert "part 2, phase 0: read/get: 10 of 30 offered calls have no end" in result.refused[0].why
    with pytest.raises(Unlike, match="part 2, phase 0"):
        merge(PLAN, [torn])
    with pytest.raises(Unlike, match="part 2, phase 0"):
        decode_part(encode_part(torn))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (replace(SERIES, completed=-1, offered=-1), "have no end"),
        (replace(SERIES, slices=(SlicePart(number=0, completed=21),)), "more completed calls"),
        (replace(SERIES, slices=(SlicePart(number=-1, completed=1),)), "negative number"),
        (replace(SERIES, service=HistogramData(unit="us")), "unit"),
        (replace(SERIES, service=HistogramData(bits=7)), "bits"),
        (replace(SERIES, latency=HistogramData(highest=60)), "highest"),
        (timed(SERIES, queue=[1]), ""),
        (replace(SERIES, slices=(SlicePart(number=0, opened=999),)), "more opened calls"),
        (replace(SERIES, slices=(SlicePart(number=0, reads=1),)), "more cache outcomes"),
        (replace(SERIES, cache={"hit": 1}, slices=(SlicePart(number=0, reads=1, hits=2),)), "negative number"),
        (replace(SERIES, slices=(SlicePart(number=0, completed=1, latency=HistogramData(version=2)),)), "version"),
    ],
    ids=["negative", "slices", "slice-number", "unit", "digits", "range", "fine", "opened", "reads", "hits", "slice-codec"],
)
def test_trap_t11_what_can_not_be_added_up_is_refused(broken: SeriesPart, why: str) -> None:
    """Unit, digits, range and version of every histogram, counts of every slice; the one that is fine is the control."""
    result = gathered(PLAN, [*ALL[:3], of(3, broken)], "r")
    assert [one.why for one in result.refused if why in one.why] == [one.why for one in result.refused]
    assert (result.lost == (3,)) is bool(why)


def test_unlike_parts_are_refused_by_name() -> None:
    """Another plan, an index that isn't there, in any order the same."""
    other = a_plan(runners={"count": 4}, seed=8)
    strange = [of(3, plan=other), of(9)]
    result = gathered(PLAN, [*ALL[:3], *strange], "r")
    assert [one.name for one in result.refused] == ["runner 3", "runner 9"]
    assert gathered(PLAN, [*reversed(strange), *ALL[:3]], "r") == result


def test_trap_t15_as_many_lost_runners_as_may_be_leave_a_verdict() -> None:
    """With the load that was offered; one more is Inconclusive. A runner that was cut short counts as one."""
    plan = replace(PLAN, max_lost=1)
    parts = [of(index, plan=plan) for index in range(4)]
    verdict = judge(plan, gathered(plan, parts[:3], "r"))
    assert (verdict.result, codes(verdict)) == ("Passed", ["Passed", "LostRunner"])
    assert "3 of 4 runners reported (lost: 3); 60 calls were offered" in verdict.reasons[1].message
    assert judge(plan, gathered(plan, parts[:2], "r")).result == "Inconclusive"
    cut = of(3, plan=plan, aborted="the pod was told to stop")
    assert judge(plan, gathered(plan, [*parts[:3], cut], "r")).result == "Passed"
    assert judge(plan, gathered(plan, [*parts[:2], cut], "r")).result == "Inconclusive"
    assert judge(PLAN, gathered(PLAN, ALL[:3], "r")).result == "Inconclusive"


def test_a_broken_bound_is_a_failure_with_lost_runners_too_if_they_may_be_lost() -> None:
    """Less load only flatters a target."""
    plan = replace(PLAN, max_lost=1)
    parts = [of(index, a_series(plan, [80] * 20), plan) for index in range(3)]
    assert judge(plan, gathered(plan, parts, "r")).result == "Failed"


def test_slices_and_timings_of_all_runners_add_up() -> None:
    """By number; what one runner lacks isn't nothing of all."""
    few, many = sliced(PLAN, [Second([10] * 3), Second(), Second([30])]), sliced(PLAN, [Second([20] * 2), Second([5])])
    (step,) = gathered(PLAN, [of(0, timed(few, queue=[1, 2])), of(1, timed(many, queue=[3])), of(2)], "r").windows[0].steps
    assert [(one.number, one.completed, one.latency.count) for one in step.slices] == [(0, 5, 5), (1, 1, 1), (2, 1, 1)]
    assert step.timings is not None
    assert (step.timings.queue.count, step.timings.connect.count) == (1 + 2 + 20, 0)  # the third runner has those of its twenty answers


def test_memory_and_isolation_of_all_runners_are_merged() -> None:
    """Samples by time, each once; probes added up; the error is the first one's."""
    samples = [MemorySample(at_ms=at, bytes=at * 10) for at in (300, 100, 200)]
    probes = IsolationPart(sessions=5, probes=20, crossings=1, control_probes=4, control_crossings=4, examples=("a got b's",))
    parts = [
        replace(ALL[0], memory=tuple(samples[:2]), isolation=probes),
        replace(ALL[1], memory=(samples[2],), isolation=replace(probes, crossings=0, examples=())),
        replace(ALL[2], memory_error="no such metric"),
    ]
    result = gathered(PLAN, [*parts, *parts], "r")
    assert [sample.at_ms for sample in result.memory] == [100, 200, 300]
    assert result.memory_error == "no such metric"
    assert result.isolation == replace(probes, sessions=10, probes=40, control_probes=8, control_crossings=8)
    assert gathered(PLAN, ALL, "r").isolation is None
