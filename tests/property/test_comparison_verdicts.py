"""How often a comparison is right, over seeded runs with known truth: real histograms, parts and merge, latencies that drift (trap T22)."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from bench.simulated import Machine, a_plan, a_run
from slipstream_loadtest.judged.comparison import compare

HOLD_MS = 800  # some 150 calls a repeat
LONG_MS = 3_000  # some 550: with fewer a p95 is itself too uncertain to show a fifth


def judged(seed: int, injected: float, machine: Machine | None = None, hold_ms: int = HOLD_MS) -> dict[str, str]:
    """Metric → word."""
    plan = a_plan(6, hold_ms, seed=seed)
    return {row.metric: row.result for row in compare(plan, a_run(plan, seed, injected, machine))}


@pytest.mark.timeout(300)
def test_trap_t22_a_target_compared_with_itself_has_not_changed() -> None:
    """A/A, 200 seeds: all rows together are NoChange in at least 95 %."""
    found = Counter(frozenset(judged(seed, 1.0).values()) for seed in range(200))
    assert found[frozenset({"NoChange"})] >= 190, found


@pytest.mark.timeout(300)
def test_trap_t22_a_fifth_more_latency_is_found() -> None:
    """The control, 100 seeds: p50 and p95 are Regressed in at least 95 %, and throughput isn't Improved in any."""
    found = [judged(seed, 1.2, hold_ms=LONG_MS) for seed in range(1000, 1100)]
    both = [rows for rows in found if rows["latency.p50"] == rows["latency.p95"] == "Regressed"]
    assert len(both) >= 95, Counter(tuple(sorted(rows.items())) for rows in found)
    assert all(rows["throughput"] != "Improved" for rows in found)


def test_a_fifth_less_latency_is_an_improvement() -> None:
    """The other direction, a few seeds."""
    assert all(judged(seed, 0.8)["latency.p50"] == "Improved" for seed in range(10))


def test_trap_t22_without_turns_a_drift_looks_like_a_change() -> None:
    """What interleaving is for: a machine that gets up to 40 % slower or faster during a run, and all of one side measured first."""
    machine, unchanged = Machine(drift=0.4), {"in turns": 0, "one after the other": 0}
    for seed in range(20):
        plan = a_plan(6, HOLD_MS, seed=seed)
        apart = replace(plan, phases=tuple(sorted(plan.phases, key=lambda phase: phase.target)))
        for how, chosen in (("in turns", plan), ("one after the other", apart)):
            rows = compare(chosen, a_run(chosen, seed, 1.0, machine))
            unchanged[how] += {row.result for row in rows} == {"NoChange"}
    assert unchanged["in turns"] >= 19, unchanged
    assert unchanged["one after the other"] <= 12, unchanged
