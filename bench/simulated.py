"""Simulated runs with known truth: closed users, lognormal latencies, a machine that drifts. Measures and judges nothing.

Everything but the target is real: series, histograms, parts through their codec, and the merge.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final

from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import GeneratorPart, Part, PhasePart, decode_part, encode_part
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.asked import Comparison
from slipstream_loadtest.plan.model import Phase, Plan, Stage, Target, TargetName, plan_hash
from slipstream_loadtest.plan.scenarios import HttpRequest, Scenario, Step
from slipstream_loadtest.plan.shares import share

USERS: Final = 4
RUNNERS: Final = 2
PROBES: Final = 50  # of the loop lag, a second
ORDER: Final[tuple[TargetName, ...]] = ("Direct", "Layers")


@dataclass(frozen=True, slots=True)
class Machine:
    """What blurs a comparison. `sigma`: of one latency's logarithm; `drift`: of the whole run, at most, either way; `wander`: from one
    repeat to the next, of which half stays; `lag_ms`: median of the runners' own lag."""

    median_ms: float = 20.0
    sigma: float = 0.5
    drift: float = 0.10
    wander: float = 0.02
    lag_ms: float = 0.1


def a_plan(repeats: int = 6, hold_ms: int = 2_000, *, stored: bool = False, seed: int = 1) -> Plan:
    """Direct against Layers in interleaved repeats (ABBA), or with `stored` Direct alone, to be compared with an earlier run."""
    targets = ORDER[:1] if stored else ORDER
    order = [(name, n) for n in range(repeats) for name in (targets if n % 2 == 0 else targets[::-1])]
    phases = [
        Phase(kind="Hold", target=name, repeat=n, stage="c4", start_ms=at * hold_ms, duration_ms=hold_ms)
        for at, (name, n) in enumerate(order)
    ]
    return Plan(
        name="simulated",
        namespace="default",
        seed=seed,
        runners=RUNNERS,
        timeout_ms=10_000,
        drain_ms=0,
        targets=tuple(Target(name=name, url=f"http://{name.lower()}") for name in targets),
        stages=(Stage(name="c4", model="Closed", users=USERS, duration_ms=hold_ms),),
        phases=tuple(phases),
        scenarios=(Scenario(name="read", steps=(Step(name="get", http=HttpRequest()),)),),
        comparison=Comparison(baseline="Stored" if stored else "Direct", repeats=repeats),
    )


def a_run(plan: Plan, seed: int, injected: float = 1.0, machine: Machine | None = None) -> Result:
    """One run; the candidate's latencies are `injected` times the baseline's."""
    random, chosen = Random(seed), machine or Machine()
    slope, level = random.uniform(-chosen.drift, chosen.drift), 0.0
    speeds = []
    for at, phase in enumerate(plan.phases):
        level = level / 2 + random.gauss(0, chosen.wander)
        speeds.append(exp(slope * at / len(plan.phases) + level) * (injected if phase.target == plan.candidate else 1.0))
    return merge(plan, [_part(plan, index, speeds, random, chosen) for index in range(plan.runners)])


def _part(plan: Plan, index: int, speeds: list[float], random: Random, machine: Machine) -> Part:
    phases = tuple(_phase(plan, number, index, speed, random, machine) for number, speed in enumerate(speeds))
    return decode_part(encode_part(Part(plan_hash=plan_hash(plan), run=f"seed-{plan.seed}", index=index, attempt="0", phases=phases)))


def _phase(plan: Plan, number: int, index: int, speed: float, random: Random, machine: Machine) -> PhasePart:
    phase = plan.phases[number]
    end = phase.duration_ms / 1000
    series = Series("read", "get", end, corrected=False)
    for _ in range(share(plan.stage(phase.stage).users, index, plan.runners)):
        now = 0.0
        while now < end:
            took = machine.median_ms / 1000 * speed * exp(random.gauss(0, machine.sigma))
            series.offered += 1
            series.complete(now, now, now + took)
            now += took
    lag = Histogram()
    for _ in range(round(PROBES * end)):
        lag.record(int(machine.lag_ms * 1e6 * exp(random.gauss(0, 0.5))))
    generator = GeneratorPart(loop_lag=lag.encode(), cpu_ms=phase.duration_ms // 4, wall_ms=phase.duration_ms)
    return PhasePart(phase=number, held_ms=phase.duration_ms, series=(series.close(),), generator=generator)
