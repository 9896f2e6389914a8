"""What a LoadTest's figures are held against: thresholds, a baseline, checks. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import SET, Amount, Duration, Model, Name, Percent, Port, Size
from slipstream_api.models.loadtest.load import HttpStep

Gate = Literal["Enforce", "Report"]
Compared = Literal["latency.p50", "latency.p90", "latency.p95", "latency.p99", "serviceTime.p50", "serviceTime.p95", "throughput"]


class ResultRef(Model):
    """The result of an earlier run."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] = Field(
        description="Name of the ConfigMap that holds it, as status.resultRef and status.history say."
    )


class Comparison(Model):
    """What the result is compared with."""

    baseline: Literal["Direct", "LastPassed", "Result", "None"] = Field(
        default="None",
        description="Direct: the same upstream past the layers, in interleaved repeats. LastPassed: the last run that passed. "
        "Result: resultRef.",
    )
    result_ref: ResultRef | None = Field(default=None, description="With baseline Result: which one.")
    repeats: Annotated[int, Field(ge=1, le=20)] = Field(
        default=6, description="Measurements of each side: fewer than 4 can't show a difference, more metrics and stages need more."
    )
    noise_percent: Percent = Field(default=3, description="A change below this is no change.")
    confidence_percent: Annotated[int, Field(ge=80, le=99)] = Field(
        default=95, description="Of intervals, and of all differences that are shown together."
    )
    metrics: Annotated[tuple[Compared, ...], Field(min_length=1, max_length=7, json_schema_extra=SET)] = Field(
        default=("latency.p50", "latency.p95", "throughput"), description="What is compared, stage by stage."
    )
    gate: Gate = Field(default="Report", description="Enforce: a regression fails the run. Report: it is only said.")


class Threshold(Model):
    """A bound on what was measured."""

    name: Name = Field(description="Name of the threshold.")
    metric: Literal[
        "latency.p50",
        "latency.p90",
        "latency.p95",
        "latency.p99",
        "latency.p999",
        "latency.max",
        "latency.mean",
        "serviceTime.p50",
        "serviceTime.p90",
        "serviceTime.p95",
        "serviceTime.p99",
        "serviceTime.p999",
        "serviceTime.max",
        "serviceTime.mean",
        "queue.p95",
        "queue.p99",
        "connect.p95",
        "connect.p99",
        "firstByte.p95",
        "firstByte.p99",
        "errors.percent",
        "dropped.percent",
        "wrong.count",
        "throughput",
        "cache.hitPercent",
        "connections.reusePercent",
        "target.memory",
    ] = Field(
        description="What is bounded: latency from the intended start, service time from the real one; target.memory: its most, in bytes."
    )
    stage: Name | None = Field(default=None, description="In this stage; over all stages if not set.")
    scenario: Name | None = Field(default=None, description="Of this scenario; of all if not set.")
    step: Name | None = Field(default=None, description="Of this step of the scenario; of all if not set.")
    min: Amount | None = Field(default=None, description="At least this: a duration for times, a quantity or number otherwise.")
    max: Amount | None = Field(default=None, description="At most this: a duration for times, a quantity or number otherwise.")
    window: Duration | None = Field(
        default=None,
        description="The bound must hold in every stretch of this length, in place of over the whole stage: latency, errors, "
        "drops, wrong answers, throughput, cache hits, reuse, memory.",
    )
    min_samples: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=None, description="Fewer samples than this are no data; 1 if not set."
    )
    abort: bool | None = Field(default=None, description="true ends the run as soon as the bound is broken; false if not set.")
    delay: Duration | None = Field(default=None, description="With abort: not before this much of the stage has passed; 0s if not set.")
    gate: Gate | None = Field(default=None, description="Report: a broken bound is only said. Enforce if not set.")


class Isolation(Model):
    """Nobody gets another session's data."""

    sessions: Annotated[int, Field(ge=2, le=10_000)] = Field(default=50, description="Sessions that write and read at the same time.")
    rounds: Annotated[int, Field(ge=1, le=1000)] = Field(default=4, description="How often each session writes and reads.")
    write: HttpStep | None = Field(
        default=None, description="Leaves ${canary}, which no other session has, in the session's data. Without it: the scenarios' steps."
    )
    read: HttpStep | None = Field(default=None, description="Reads the session's data: its own canary must be there, no other's may.")


class MemorySource(Model):
    """Where the target says how much memory it uses, in the Prometheus text format."""

    path: Annotated[str, Field(min_length=1, max_length=1024, pattern="^/")] = Field(default="/metrics", description="Path of the metrics.")
    port: Port | None = Field(default=None, description="Port of the metrics; the target's if not set.")
    metric: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")] = Field(
        default="process_resident_memory_bytes", description="Name of the gauge, in bytes; its samples are added up."
    )


class MemoryGrowth(Model):
    """The target's memory doesn't grow under constant load."""

    max: Size = Field(default="1Mi", description="Most growth in the time `per`.")
    per: Duration = Field(default="5s", description="The time that `max` is about.")
    source: MemorySource = Field(default=MemorySource(), description="Where the target's memory is read.")


class Degradation(Model):
    """Latency grows no faster than allowed from one stage to the next with more load."""

    max_increase_percent: Annotated[int, Field(ge=0, le=10_000)] = Field(default=50, description="Most growth from one level to the next.")
    metric: Literal["latency.p50", "latency.p95", "latency.p99"] = Field(default="latency.p95", description="What may grow.")


class Checks(Model):
    """Properties that are checked besides thresholds; each is tried on something broken too, and says so."""

    isolation: Isolation | None = Field(default=None, description="Nobody gets another session's data.")
    memory_growth: MemoryGrowth | None = Field(default=None, description="The target's memory doesn't grow under constant load.")
    degradation: Degradation | None = Field(default=None, description="Latency grows no faster than allowed with rising load.")
