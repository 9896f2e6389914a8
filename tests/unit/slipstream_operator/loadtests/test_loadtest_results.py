"""What is kept of a run beside its status: the packed result, baselines, counters of sidecars, live figures, and bounds that end it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.measured.histogram import HistogramData
from slipstream_loadtest.measured.part import TimingsPart, encode_part
from slipstream_loadtest.measured.result import Result, Window
from slipstream_loadtest.plan.model import encode_plan
from slipstream_operator.kube.kinds import CONFIG_MAP, LOAD_TEST
from slipstream_operator.loadtests.applying.results import MAX_MEASURED, Results, packed, read
from slipstream_operator.loadtests.facts import LoadTestFacts
from slipstream_operator.loadtests.gathering.counters import Counters, added, difference, parse
from slipstream_operator.loadtests.gathering.live import NOTHING, live
from tests.fakes.fake_kube import FakeKube
from tests.fakes.loadtest_plans import a_part, a_plan, a_result, a_series
from tests.fakes.loadtest_slices import times

PLAN = a_plan(runners={"count": 2})
OWNER = [{"uid": "u", "kind": "LoadTest"}]


def stored(kube: FakeKube, run: int, *, passed: bool = True, measured: str | None = None, owner: Any = OWNER, test: str = "t") -> None:
    labels = {"slipstream.dev/loadtest": test, "slipstream.dev/run": str(run)}
    name = f"slipstream-lt-{test}-{run}"
    meta = {"namespace": "ns", "ownerReferences": owner}
    plan = {"plan.json": encode_plan(PLAN).decode()}
    kube.seed(CONFIG_MAP, {"metadata": {**meta, "name": f"{name}-plan", "labels": labels}, "data": plan})
    labels = labels | {"slipstream.dev/outcome": "passed" if passed else "failed"}
    text = packed(a_result(a_plan(), a_series(a_plan(), [float(run)]))) if measured is None else measured
    kube.seed(CONFIG_MAP, {"metadata": {**meta, "name": f"{name}-result", "labels": labels}, "binaryData": {"measured": text}})


def a_test(run: int, comparison: dict[str, Any] | None = None) -> LoadTestFacts:
    return LoadTestFacts("ns", "t", "u", 1, {"comparison": comparison or {}}, {"run": run})


def lean(result: Result) -> tuple[Window, ...]:
    """The judged windows, without what no comparison needs."""
    steps = [tuple(replace(s, slices=(), timings=TimingsPart()) for s in w.steps) for w in result.windows if w.judged]
    return tuple(replace(w, steps=made) for w, made in zip((w for w in result.windows if w.judged), steps, strict=True))


def names(kube: FakeKube) -> set[str]:
    return {name for kind, _, name in kube.objects if kind == "configmaps"}


def test_a_packed_result_comes_back_with_its_judged_windows() -> None:
    """What a comparison needs is the same; it is small."""
    plan = a_plan()
    result = a_result(plan, a_series(plan, [1.0, 2.0, 3.0]))
    text = packed(result)
    found = read({"metadata": {"name": "x"}, "binaryData": {"measured": text}}, {"data": {"plan.json": encode_plan(plan).decode()}})
    assert found is not None
    assert found[0] == plan
    assert found[1].windows == lean(result)
    assert len(text) < MAX_MEASURED


@pytest.mark.parametrize("text", ["", "!", base64.b64encode(b"no").decode()])
def test_what_is_no_result_is_none(text: str) -> None:
    """Users may write ConfigMaps."""
    plan = {"data": {"plan.json": encode_plan(PLAN).decode()}}
    assert read({"metadata": {"name": "x"}, "binaryData": {"measured": text}}, plan) is None


async def test_the_baseline_is_the_last_run_that_passed() -> None:
    """Not this one, not one that failed, not one of an object of the same name that was deleted."""
    kube = FakeKube()
    for run, passed, owner in ((1, True, OWNER), (2, True, OWNER), (3, False, OWNER), (9, True, [{"uid": "other"}]), (5, True, OWNER)):
        stored(kube, run, passed=passed, owner=owner)
    found = await Results(kube).baseline(a_test(5), {"baseline": "LastPassed"}, PLAN)
    assert found is not None
    assert found[1].windows == lean(a_result(a_plan(), a_series(a_plan(), [2.0])))
    assert await Results(FakeKube()).baseline(a_test(1), {"baseline": "LastPassed"}, PLAN) is None


async def test_a_run_with_another_load_is_no_baseline() -> None:
    """The one before it is, if its load was this one."""
    kube = FakeKube()
    stored(kube, 2, passed=True)
    asked = {"baseline": "LastPassed"}
    assert await Results(kube).baseline(a_test(5), asked, a_plan(stages=[{"name": "s", "users": 3, "duration": "10s"}])) is None
    assert await Results(kube).baseline(a_test(5), asked, PLAN) is not None


async def test_a_named_result_is_the_baseline() -> None:
    """Also another test's."""
    kube = FakeKube()
    stored(kube, 4, test="other", owner=[{"uid": "x"}])
    named = {"baseline": "Result", "resultRef": {"name": "slipstream-lt-other-4-result"}}
    assert await Results(kube).baseline(a_test(1), named, PLAN) is not None
    assert await Results(kube).baseline(a_test(1), {"baseline": "Direct"}, PLAN) is None


async def test_what_the_history_lets_go_of_is_removed_but_no_baseline() -> None:
    """Kept: the history, this run, the last passed where it is compared with, and what any test names."""
    kube = FakeKube()
    for run in range(1, 8):
        stored(kube, run, passed=run == 3)
    stored(kube, 1, test="other", owner=[{"uid": "x"}])
    named = {"baseline": "Result", "resultRef": {"name": "slipstream-lt-t-2-result"}}
    kube.seed(LOAD_TEST, {"metadata": {"namespace": "ns", "name": "user"}, "spec": {"comparison": named}})
    await Results(kube).prune(a_test(7, {"baseline": "LastPassed"}), [{"run": 7}, {"run": 6}])
    kept = {f"slipstream-lt-t-{run}-{sort}" for run in (2, 3, 6, 7) for sort in ("plan", "result")}
    assert names(kube) == kept | {"slipstream-lt-other-1-plan", "slipstream-lt-other-1-result"}


METRICS = """# TYPE slipstream_requests counter
slipstream_requests_total{pool="memory"} 12.0
slipstream_requests_total{pool="other"} 3.0
# TYPE slipstream_cache_requests counter
slipstream_cache_requests_total{pool="memory",policy="p",outcome="hits"} 9.0
slipstream_cache_requests_total{pool="memory",policy="p",outcome="misses"} 2.0
slipstream_cache_requests_total{pool="memory",policy="p",outcome="bypass"} 100.0
# TYPE slipstream_retries counter
slipstream_retries_total{pool="memory",outcome="made"} 4.0
slipstream_retries_total{pool="memory",outcome="answered"} 100.0
# TYPE slipstream_pool_connections_opened counter
slipstream_pool_connections_opened_total{pool="memory"} 5.0
"""


def test_counters_of_a_sidecar() -> None:
    """Over all pools; only the outcomes that are meant."""
    assert parse(METRICS) == Counters(requests=15, hits=9, misses=2, retries=4, opened=5)


counters = st.builds(Counters, **dict.fromkeys(Counters.__struct_fields__, st.integers(0, 1000)))


@given(before=counters, more=counters)
def test_the_difference_is_what_came_in_between(before: Counters, more: Counters) -> None:
    """And never below nothing, also when a sidecar began anew."""
    assert difference(before, added([before, more])) == more
    assert min(getattr(difference(more, before), name) for name in Counters.__struct_fields__) >= 0


def moment(latencies: list[float], **more: Any) -> Progress:
    many = len(latencies)
    figures = {"completed": many, "rps": float(many), "latency": times(latencies).encode()}
    return Progress(phases=3, phase=1, kind="Hold", stage="s", target="Direct", **figures | more)


def test_live_figures_of_several_runners() -> None:
    """Rates add up, the p95 is that of all answers and not of the slower runner; nothing is said before somebody says something."""
    both = [moment([1.0] * 99), moment([500.0])]
    found = live(PLAN, "r", [], both, 5_000)
    assert (found.rps, found.p95, found.errors, found.progress) == ("100", "1ms", "0%", "Hold s Direct 100/s")
    assert live(PLAN, "r", [], both[1:], 5_000).p95 == "500ms"
    assert live(PLAN, "r", [], [moment([1.0] * 3, failed=1)], 5_000).errors == "25%"
    assert live(PLAN, "r", [], [], 5_000) == NOTHING


def test_what_no_runner_of_this_version_says_is_nothing() -> None:
    """Another kind of histogram: no figure, and no end of the look."""
    strange = replace(moment([1.0]), latency=HistogramData(unit="us"))
    assert live(PLAN, "r", [], [strange], 5_000) == NOTHING


def test_parts_of_another_run_or_none_at_all_end_nothing() -> None:
    """Whatever answers on a runner's address; the run's own part does."""
    plan = a_plan(thresholds=[{"name": "p50", "metric": "latency.p50", "max": "5ms", "abort": True}])
    held = next(n for n, phase in enumerate(plan.phases) if phase.kind == "Hold")
    own = encode_part(a_part(plan, {held: a_series(plan, [900.0] * 50)}, run="r"))
    foreign = encode_part(a_part(plan, {held: a_series(plan, [900.0] * 50)}, run="another"))
    other = encode_part(a_part(PLAN, {held: a_series(PLAN, [900.0] * 50)}, run="r"))
    assert live(plan, "r", [foreign, other, b"<html>", b""], [moment([7.0])], 5_000).broken == ""
    assert live(plan, "r", [own], [moment([7.0])], 5_000).broken.startswith("threshold p50: latency.p50 is ")
