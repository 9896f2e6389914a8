"""What the generator may have added to a figure: never more than a bound allows to say, and never less than it did."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from slipstream_loadtest.engine import probe
from slipstream_loadtest.judged.saturation import PROBE_MS, as_met, lag_added, saturation, skew
from slipstream_loadtest.judged.thresholds import judge_thresholds
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import GeneratorPart
from slipstream_loadtest.measured.result import Window
from tests.fakes.loadtest_plans import MS, a_plan, a_result, a_series
from tests.fakes.loadtest_slices import timed, times

PLAN = a_plan()


def windows(latencies: list[float], generator: GeneratorPart) -> list[Window]:
    return [w for w in a_result(PLAN, a_series(PLAN, latencies), generator=generator).windows if w.judged]


def lagging(*milliseconds: float, start: tuple[float, ...] = (), gc_ms: int = 0, gc_longest_us: int = 0) -> GeneratorPart:
    return GeneratorPart(
        loop_lag=times(milliseconds).encode(),
        start_lag=times(start).encode(),
        cpu_ms=10,
        wall_ms=10_000,
        gc_ms=gc_ms,
        gc_longest_us=gc_longest_us,
    )


def test_the_probes_interval_is_the_engines() -> None:
    """What a late probe stands for depends on it."""
    assert pytest.approx(probe.INTERVAL * 1000) == PROBE_MS


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("metric", ["latency.p50", "latency.p95", "latency.p99", "latency.max", "latency.mean"])
def test_trap_t18_the_true_figure_lies_between_what_was_measured_and_that_less_the_lag(seed: int, metric: str) -> None:
    """Latencies of which the lag is known, dependent on each other or not: the bound holds for every quantile."""
    random = Random(seed)
    true = [random.lognormvariate(3, 0.5) for _ in range(2_000)]
    lag = [random.choice((0.1, 0.1, 0.2, 8.0)) for _ in true]
    if seed % 2:  # the slow calls meet the lag
        true.sort()
        lag.sort()
    generator = lagging(*[max(0.0, one) for one in lag])
    measured = windows([a + b for a, b in zip(true, lag, strict=True)], generator)
    series = windows(true, generator)
    from slipstream_loadtest.judged.metrics import measure

    seen, real = measure(metric, measured).value, measure(metric, series).value
    assert seen is not None
    assert real is not None
    added = lag_added(measured, metric)
    assert 0 <= added <= seen
    assert seen - added <= real * 1.01
    assert real <= seen * 1.01


def test_a_rare_lag_is_charged_to_the_quantiles_that_it_can_have_reached() -> None:
    """One of 500 probes was 40 ms late: that may be the one slow call of a hundred; it's neither the p50 nor a maximum among many alike."""
    held = windows([1.0] * 99 + [50.0], lagging(*[0.1] * 499, 40))
    assert lag_added(held, "latency.max") == pytest.approx(40, rel=0.01)
    assert lag_added(held, "latency.p50") == pytest.approx(0.1, rel=0.01)
    assert lag_added(windows([float(v) for v in range(1, 101)], lagging(*[0.1] * 499, 40)), "latency.max") < 10


def test_a_standstill_counts_for_the_time_that_it_took() -> None:
    """One probe of a second among 500 is a tenth of ten seconds, not a five-hundredth."""
    met = as_met([times([0.1] * 450 + [1_000]).encode()])
    assert as_met([times([0.1] * 450 + [19]).encode()]).count == 451
    assert 499 <= met.count <= 501
    assert sum(met.counts.values()) == met.count
    assert (met.mean() or 0) / MS == pytest.approx(50, rel=0.05)  # half a second for each of a tenth of the calls


def test_start_lag_is_charged_to_corrected_latency_alone() -> None:
    """The service time begins with the actual start."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 10, "duration": "10s"}])
    generator = lagging(*[0.1] * 100, start=(30.0,) * 100)
    held = [w for w in a_result(plan, a_series(plan, [50] * 100, corrected=True), generator=generator).windows if w.judged]
    assert lag_added(held, "latency.p95") >= 30
    assert lag_added(held, "serviceTime.p95") < 1


def test_phases_of_calls_are_charged_like_the_whole() -> None:
    """The time to the first byte ends in the runner's loop too."""
    series = timed(a_series(PLAN, [20] * 100), first_byte=[20] * 100)
    held = [w for w in a_result(PLAN, series, generator=lagging(*[5] * 100)).windows if w.judged]
    assert lag_added(held, "firstByte.p95") == pytest.approx(5, rel=0.01)
    assert lag_added(held, "connect.p95") == 0


def test_a_closed_throughput_is_charged_with_the_calls_that_the_lag_has_cost() -> None:
    """20 of 25 ms were the target's: a bound a little above what was done is no failure, one far above is."""
    plan = a_plan(thresholds=[{"name": "t", "metric": "throughput", "min": 11}, {"name": "far", "metric": "throughput", "min": 20}])
    result = a_result(plan, a_series(plan, [25] * 100), generator=lagging(*[5] * 100))
    near, far = judge_thresholds(plan, result)
    assert (near.result, near.explained, far.result, far.explained) == ("Failed", True, "Failed", False)
    assert near.lag == pytest.approx(10 * 5 / 20, rel=0.01)


def test_other_metrics_owe_nothing_to_a_lag() -> None:
    """It makes no error and no hit."""
    held = windows([20] * 100, lagging(*[15] * 100))
    assert [lag_added(held, m) for m in ("errors.percent", "cache.hitPercent", "wrong.count", "target.memory")] == [0] * 4


def test_trap_t18_garbage_collection_is_a_lag() -> None:
    """More than a tenth of the time makes the stage worthless; the longest pause may be the slowest call."""
    assert "garbage collection took 20% of the time" in saturation(windows([20] * 100, lagging(gc_ms=2_000)))
    assert saturation(windows([20] * 100, lagging(gc_ms=500))) == ""
    assert lag_added(windows([1] * 99 + [20], lagging(0.1, gc_longest_us=12_000)), "latency.max") == pytest.approx(12, rel=0.01)


@pytest.mark.parametrize(
    ("answers", "errors", "said"),
    [
        ([], {"Connect": 500}, False),
        ([], {"Connect": 490, "Reset": 5, "503": 5}, False),
        ([], {"Timeout": 500}, True),
        ([], {"Connect": 499, "Timeout": 1}, True),
        ([], {"Connect": 499, "LocalPorts": 1}, True),
        ([20], {"Connect": 499}, True),
        ([20] * 500, {}, True),
    ],
    ids=["refused", "refused in several ways", "timed out", "one timed out", "out of ports", "one answered", "answered"],
)
def test_trap_t18_a_busy_runner_spoils_no_figure_of_a_target_that_fails_every_call(
    answers: list[float], errors: dict[str, int], said: bool
) -> None:
    """Users that fail at once ask again at once. With one answer, or one call for want of time or ports, all of a core counts."""
    busy = GeneratorPart(cpu_ms=9_900, wall_ms=10_000)
    held = [w for w in a_result(PLAN, a_series(PLAN, answers, errors=errors), generator=busy).windows if w.judged]
    assert saturation(held) == ("a runner used 99% of a core" if said else "")


def test_trap_t16_a_runner_that_began_late_measured_less() -> None:
    """1.5 s of a stage of ten; what a warm-up swallows is nothing."""
    result = replace(a_result(PLAN, a_series(PLAN, [10] * 100)), start_skew_ms=1_500)
    verdict = judge(PLAN, result)
    assert (verdict.result, verdict.reasons[0].code) == ("Inconclusive", "StartSkew")
    assert "began 1.5s late and missed 1.5s of stage s" in verdict.reasons[0].message
    assert skew(PLAN, replace(result, start_skew_ms=900)) == ""
    warm = a_plan(warmup="5s")
    assert skew(warm, replace(a_result(warm, a_series(warm, [10])), start_skew_ms=5_900)) == ""


def test_nothing_measured_owes_nothing() -> None:
    """No division by zero, no NaN."""
    assert saturation([]) == ""
    assert lag_added([], "latency.p95") == lag_added([], "throughput") == lag_added([], "latency.mean") == 0
    assert as_met([Histogram().encode()]).count == 0
