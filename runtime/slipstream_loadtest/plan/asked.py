"""What a plan's figures are held against: thresholds, a baseline, checks. Pure data; judges nothing."""

from __future__ import annotations

from typing import Final, Literal

from slipstream_loadtest.plan.base import PlanPart
from slipstream_loadtest.plan.scenarios import HttpRequest

LEAST_PROBING_MS: Final = 10_000
PROBE_MS: Final = 5  # that a probe may take on average, of all of a runner's


class Threshold(PlanPart, frozen=True, kw_only=True):
    """A bound on a metric, in the metric's own unit (ms, percent, per second, count, bytes). Empty stage, scenario or step: all of them.

    `window_ms`: the bound must hold in each stretch of this length (whole slices of the plan), 0: over the whole stage. `abort`: ends the
    run once broken, not before `delay_ms` of the stage. `enforce` False: a broken bound is said, and fails nothing.
    """

    name: str
    metric: str
    stage: str = ""
    scenario: str = ""
    step: str = ""
    min: float | None = None
    max: float | None = None
    window_ms: int = 0
    min_samples: int = 1
    abort: bool = False
    delay_ms: int = 0
    enforce: bool = True


class Comparison(PlanPart, frozen=True, kw_only=True):
    """Direct: two targets of this run. Stored: a result handed to the judgement beside this run's; `repeats` is then of this run."""

    baseline: Literal["Direct", "Stored", "None"] = "None"
    repeats: int = 1
    noise_percent: float = 3.0
    confidence: float = 0.95
    metrics: tuple[str, ...] = ("latency.p50", "latency.p95", "throughput")
    enforce: bool = False


class Isolation(PlanPart, frozen=True, kw_only=True):
    """Sessions that write and read at the same time after the last phase, `rounds` times each; without `write` the scenarios' own steps.
    Templates know ${canary}, a text that no other session has."""

    sessions: int
    rounds: int
    write: HttpRequest | None = None
    read: HttpRequest | None = None


class MemoryGrowth(PlanPart, frozen=True, kw_only=True):
    """Bytes that the target's memory may grow by in `per_ms`. Runner 0 reads it from `path` (`port` 0: the target's), past the layers."""

    max_bytes: int
    per_ms: int
    path: str = "/metrics"
    port: int = 0
    metric: str = "process_resident_memory_bytes"


class Degradation(PlanPart, frozen=True, kw_only=True):
    """How much `metric` may grow from one stage to the next with more load, in percent."""

    max_increase_percent: float
    metric: str = "latency.p95"


class Checks(PlanPart, frozen=True, kw_only=True):
    """Properties besides thresholds; each is also tried on something broken."""

    isolation: Isolation | None = None
    memory_growth: MemoryGrowth | None = None
    degradation: Degradation | None = None

    def probing_ms(self, runners: int, timeout_ms: int) -> int:
        """How long after its last phase a run may still probe, at most; 0 without an isolation check."""
        asked = self.isolation
        if asked is None:
            return 0
        calls = -(-asked.sessions // runners) * asked.rounds * 3  # one write, two reads
        return max(LEAST_PROBING_MS, 2 * timeout_ms, calls * PROBE_MS)
