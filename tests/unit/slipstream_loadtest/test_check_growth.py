"""Memory growth: leaks are found, caches that fill and collectors that saw aren't taken for any; the control says what could be seen."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from random import Random
from typing import Any

import msgspec
import pytest

from slipstream_loadtest.judged.checks.growth import judge_growth, size
from slipstream_loadtest.judged.checks.row import CheckRow
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.part import MemorySample
from slipstream_loadtest.plan.model import Phase, Plan
from tests.fakes.loadtest_plans import a_plan, a_result, a_series

MIB = 1 << 20
BASE = 80 * MIB


def memory_plan(seconds: int = 60, **asked: Any) -> Plan:
    stage = {"name": "s", "users": 2, "duration": f"{seconds}s"}
    return a_plan(stages=[stage], checks={"memoryGrowth": asked})


def with_cycles(plan: Plan, cycles: int = 4, loaded: int = 20, idle: int = 5) -> Plan:
    """The same plan with phases of load, and of none after each."""
    phases, at = [], 0
    for repeat in range(cycles):
        for kind, seconds in (("Hold", loaded), ("Idle", idle)):
            phases.append(
                Phase(kind=kind, target="Direct", repeat=repeat, stage="s", start_ms=at, duration_ms=seconds * 1000)  # type: ignore[arg-type]  # both are kinds
            )
            at += seconds * 1000
    return msgspec.structs.replace(plan, phases=tuple(phases))


def row_of(plan: Plan, memory: Callable[[float], float], *, noise: float = 50_000.0, seed: int = 1) -> CheckRow:
    """The row for a gauge that follows `memory` (bytes after seconds), sampled each second with pages' noise."""
    random = Random(seed)
    samples = tuple(
        MemorySample(at_ms=at * 1000 + 137, bytes=round(max(0.0, memory(at) + random.uniform(0, noise))))
        for at in range(plan.duration_ms // 1000)
    )
    asked = plan.checks.memory_growth
    assert asked is not None
    return judge_growth(plan, asked, msgspec.structs.replace(a_result(plan, a_series(plan, [10] * 100)), memory=samples))


def test_flat_memory_passes_and_its_control_is_caught() -> None:
    """The negative control of all the others; the row says which leak it could have found."""
    row = row_of(memory_plan(), lambda _: BASE)
    assert (row.result, row.control) == ("Passed", "Caught")
    assert row.limit == "at most 1 MiB in 5s"
    assert row.detectable == "a leak of 1.1 MiB in 5s"


def test_trap_t25_a_kilobyte_a_request_is_found() -> None:
    """At 500 requests a second: 2.4 MiB in 5 s."""
    row = row_of(memory_plan(), lambda at: BASE + 500 * 1024 * at)
    assert row.result == "Failed"
    assert "grows by 2.44 MiB in 5s" in row.message
    assert "allowed are 1 MiB" in row.message


def test_trap_t25_a_cache_that_fills_up_and_stays_is_not_flagged() -> None:
    """Fast or slow, linear or not, as long as it is full by the middle of the stage."""
    plan = memory_plan()
    for fill in (lambda at: min(at, 25) * 4 * MIB, lambda at: 300 * MIB * (1 - exp(-at / 4)), lambda at: 500 * MIB if at > 2 else 0):
        row = row_of(plan, lambda at, fill=fill: BASE + fill(at))  # type: ignore[misc]  # the default binds the loop's variable
        assert (row.result, row.control) == ("Passed", "Caught"), row


def test_a_cache_that_never_stops_filling_is_found() -> None:
    """The control of the last one."""
    assert row_of(memory_plan(), lambda at: BASE + at * 4 * MIB).result == "Failed"


@pytest.mark.parametrize("period", [3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(5))
def test_trap_t25_the_sawtooth_of_a_collector_is_not_flagged(period: int, seed: int) -> None:
    """It rises by 8 MiB a second for some seconds and falls back; its floors are flat. In a minute it may be too much to see past it."""

    def saw(at: float) -> float:
        return BASE + (at % period) * 8 * MIB

    assert row_of(memory_plan(240), saw, seed=seed).result == "Passed"
    short = row_of(memory_plan(60), saw, seed=seed)
    assert (short.result, short.control) in (("Passed", "Caught"), ("Inconclusive", "Missed"))


@pytest.mark.parametrize("period", [3, 4, 5, 7])
def test_a_leak_under_a_sawtooth_is_found(period: int) -> None:
    """The control of the last one: its floors rise."""
    assert row_of(memory_plan(240), lambda at: BASE + (at % period) * 4 * MIB + at * 2 * MIB).result == "Failed"


def test_memory_that_falls_when_idle_is_no_leak() -> None:
    """Grows for the whole of each cycle and is let go after it; the control keeps a part of it."""
    plan = with_cycles(memory_plan())

    def cycle(at: float) -> float:
        return (at % 25) * 4 * MIB if at % 25 < 20 else 0

    kept = row_of(plan, lambda at: BASE + cycle(at))
    assert kept.result == "Passed"
    lost = row_of(plan, lambda at: BASE + cycle(at) + (at // 25) * 20 * 4 * MIB)
    assert lost.result == "Failed"


def test_a_plan_with_idle_phases_still_finds_a_steady_leak() -> None:
    """Floors between cycles rise with the time under load."""
    plan = with_cycles(memory_plan())
    assert row_of(plan, lambda at: BASE + (at // 25 * 20 + min(at % 25, 20)) * MIB).result == "Failed"
    assert row_of(plan, lambda _: BASE).result == "Passed"


def test_without_samples_it_is_inconclusive_and_says_why() -> None:
    """What the runner said, and where to look."""
    plan = memory_plan(source={"path": "/stats", "port": 9090})
    asked = plan.checks.memory_growth
    assert asked is not None
    result = msgspec.structs.replace(
        a_result(plan, a_series(plan, [10])), memory_error="60 of 60 reads failed, the last one: /stats answered 404"
    )
    row = judge_growth(plan, asked, result)
    assert (row.result, row.control) == ("Inconclusive", "NotRun")
    assert "/stats on port 9090: 60 of 60 reads failed, the last one: /stats answered 404" in row.message


def test_few_samples_are_inconclusive() -> None:
    """A short stage shows nothing, also where its few samples rise steeply."""
    row = row_of(memory_plan(12), lambda at: BASE + at * 50 * MIB)
    assert (row.result, row.control) == ("Inconclusive", "NotRun")
    assert "hold the load longer" in row.message


def test_a_growth_that_may_lie_on_either_side_is_inconclusive() -> None:
    """At the limit itself, with noise."""
    row = row_of(memory_plan(), lambda at: BASE + at * 1.02 * MIB / 5, noise=4 * MIB)
    assert row.result == "Inconclusive"
    assert "within the interval" in row.message


def test_samples_too_noisy_for_the_control_do_not_pass() -> None:
    """Where a leak of the limit's size would drown, none is excluded."""
    row = row_of(memory_plan(24, max="1Ki"), lambda at: BASE - at * 4 * MIB, noise=64 * MIB)
    assert (row.result, row.control) == ("Inconclusive", "Missed")


def test_a_limit_of_nothing_finds_any_growth() -> None:
    """And flat memory without noise keeps it."""
    plan = memory_plan(max="0")
    assert row_of(plan, lambda _: BASE, noise=0).result == "Passed"
    assert row_of(plan, lambda at: BASE + at * 10_000, noise=0).result == "Failed"


def test_the_stages_of_two_loads_are_looked_at_apart() -> None:
    """More users need more memory: a step between stages is no leak."""
    stages = [{"name": name, "users": users, "duration": "40s"} for name, users in (("a", 10), ("b", 1000))]
    plan = a_plan(stages=stages, checks={"memoryGrowth": {}})
    assert row_of(plan, lambda at: BASE if at < 40 else 9 * BASE).result == "Passed"
    assert row_of(plan, lambda at: BASE + at * MIB if at < 40 else 9 * BASE + at * MIB).result == "Failed"


def test_a_leak_fails_the_run_and_says_so() -> None:
    """Also where all thresholds hold."""
    plan = memory_plan()
    samples = tuple(MemorySample(at_ms=at * 1000, bytes=BASE + at * MIB) for at in range(60))
    verdict = judge(plan, msgspec.structs.replace(a_result(plan, a_series(plan, [10] * 100)), memory=samples))
    assert (verdict.result, [reason.code for reason in verdict.reasons]) == ("Failed", ["MemoryGrows"])
    assert verdict.checks[0].name == "memoryGrowth"


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (-(3 << 30), "-3 GiB")])
def test_sizes_are_short(count: float, text: str) -> None:
    """As people write them."""
    assert size(count) == text
