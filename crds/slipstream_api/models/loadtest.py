"""LoadTest: what is measured, with which load, against which thresholds. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import ATOMIC, SET, Amount, Duration, Model, Name, Percent, Size, map_of
from slipstream_api.models.match import Method

Template = Annotated[str, Field(max_length=2048)]


class PoolRef(Model):
    """A pool of the test's namespace."""

    name: Name = Field(description="Name of the ConnectionPool.")


class Target(Model):
    """What is measured: an upstream through the layers of a pool, or a URL."""

    pool_ref: PoolRef | None = Field(default=None, description="Measures this pool's upstream through its layers.")
    workload: Name | None = Field(default=None, description="With poolRef: as which workload; the pool's first if not set.")
    url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^/?#@\s]+$")] | None = Field(
        default=None, description="Measures this address, like http://host:8080; link-local and metadata addresses are refused."
    )


class Comparison(Model):
    """What the result is compared with."""

    baseline: Literal["Direct", "LastPassed", "None"] = Field(
        default="None", description="Direct: the same upstream past the layers, in interleaved repeats."
    )
    repeats: Annotated[int, Field(ge=1, le=20)] = Field(
        default=4, description="Measurements of each side; fewer than 4 can't show a difference and are Inconclusive."
    )
    noise_percent: Percent = Field(default=3, description="A change below this is no change.")


class Runners(Model):
    """Where the load comes from."""

    count: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="Runner pods that share the load.")
    max_users_per_runner: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=2500, description="More users than count times this are refused."
    )


class Stage(Model):
    """A stretch of constant load: closed (users) or open (ratePerSecond)."""

    name: Name = Field(description="Name of the stage.")
    duration: Duration = Field(description="How long it lasts.")
    users: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Closed model: so many users, each waits for its answer before it asks again."
    )
    rate_per_second: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="Open model: so many arrivals a second, whatever the answers take."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Open model: further arrivals are dropped and counted; 1000 if not set."
    )


class HttpStep(Model):
    """One HTTP call. ${user}, ${session}, ${iteration} and names of `data` are filled in."""

    method: Method = Field(default="GET", description="Method; GET if not set.")
    path: Annotated[str, Field(min_length=1, max_length=2048, pattern="^/")] = Field(description="Path and query.")
    headers: Annotated[dict[str, Template], Field(max_length=16)] = Field(default_factory=dict, description="Headers.")
    body: Annotated[str, Field(max_length=8192)] | None = Field(default=None, description="Body, sent with Content-Length.")


class Expect(Model):
    """What an answer must be like. A wrong status is an error; a text that is missing is a wrong answer, counted apart."""

    status: Annotated[tuple[Annotated[int, Field(ge=100, le=599)], ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(200,), description="Statuses that are right; 200 if not set."
    )
    contains: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=8, json_schema_extra=ATOMIC)] = (
        Field(default=(), description="Texts that the body contains, filled in like the path: who asked and what was asked.")
    )


class Step(Model):
    """One call of a scenario."""

    name: Name = Field(description="Name of the step.")
    http: HttpStep = Field(description="The call.")
    expect: Expect = Field(default=Expect(), description="What its answer must be like.")


class Scenario(Model):
    """What a user does, step by step."""

    name: Name = Field(description="Name of the scenario.")
    weight: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="How often it is chosen, relative to the others.")
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=32, json_schema_extra=map_of("name"))] = Field(
        description="Calls, one after another."
    )


class Data(Model):
    """A list of values for templates."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][A-Za-z0-9_]*$")] = Field(
        description="Name by which templates use it: ${name}."
    )
    values: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(min_length=1, max_length=1000, json_schema_extra=ATOMIC)] = (
        Field(description="Values, drawn at random with the plan's seed.")
    )


class Threshold(Model):
    """A bound on what was measured."""

    name: Name = Field(description="Name of the threshold.")
    metric: Literal[
        "latency.p50",
        "latency.p90",
        "latency.p95",
        "latency.p99",
        "latency.max",
        "latency.mean",
        "serviceTime.p50",
        "serviceTime.p90",
        "serviceTime.p95",
        "serviceTime.p99",
        "serviceTime.max",
        "serviceTime.mean",
        "errors.percent",
        "wrong.count",
        "throughput",
        "cache.hitPercent",
        "connections.reusePercent",
    ] = Field(description="What is bounded: latency from the intended start, service time from the real one.")
    stage: Name | None = Field(default=None, description="In this stage; over all stages if not set.")
    min: Amount | None = Field(default=None, description="At least this: a duration for latency and serviceTime, a number otherwise.")
    max: Amount | None = Field(default=None, description="At most this: a duration for latency and serviceTime, a number otherwise.")


class Isolation(Model):
    """Nobody gets another session's data."""

    sessions: Annotated[int, Field(ge=2, le=10_000)] = Field(default=50, description="Sessions that ${session} is drawn from.")


class MemoryGrowth(Model):
    """The target's memory doesn't grow under constant load."""

    max: Size = Field(default="1Mi", description="Most growth in the time `per`.")
    per: Duration = Field(default="5s", description="The time that `max` is about.")


class Checks(Model):
    """Properties that are checked besides thresholds."""

    isolation: Isolation | None = Field(default=None, description="Nobody gets another session's data.")
    memory_growth: MemoryGrowth | None = Field(default=None, description="The target's memory doesn't grow under constant load.")


class Schedule(Model):
    """When to run again by itself."""

    cron: Annotated[str, Field(min_length=9, max_length=64, pattern=r"^[0-9*/,A-Za-z -]+$")] = Field(
        description="Minute, hour, day of month, month, day of week."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = Field(
        default="UTC", description="IANA name of the time zone that cron is read in."
    )


class History(Model):
    """How many results are kept."""

    passed: Annotated[int, Field(ge=0, le=20)] = Field(default=3, description="Of runs that passed.")
    failed: Annotated[int, Field(ge=0, le=20)] = Field(default=5, description="Of other runs.")


class LoadTestSpec(Model):
    """What is measured, with which load, against which thresholds."""

    target: Target = Field(description="What is measured.")
    comparison: Comparison = Field(default=Comparison(), description="What the result is compared with.")
    runners: Runners = Field(default=Runners(), description="Where the load comes from.")
    warmup: Duration = Field(default="0s", description="Load before the first stage, never part of a verdict.")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32, json_schema_extra=map_of("name"))] = Field(
        description="Stretches of constant load, one after another."
    )
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1, max_length=16, json_schema_extra=map_of("name"))] = Field(
        description="What users do, chosen by weight."
    )
    data: Annotated[tuple[Data, ...], Field(max_length=8, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Lists of values for templates."
    )
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=32, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Bounds on what was measured; without data a bound is never met."
    )
    checks: Checks = Field(default=Checks(), description="Properties that are checked besides thresholds.")
    rerun: Annotated[str, Field(max_length=64)] = Field(default="", description="Change this text to run again.")
    schedule: Schedule | None = Field(default=None, description="When to run again by itself.")
    suspend: bool = Field(default=False, description="true ends the run in progress as Aborted and starts none.")
    history: History = Field(default=History(), description="How many results are kept.")
    ttl_after_finished: Duration = Field(
        default="1h", description="How long the Job and its pods are kept, counted from when the result is stored."
    )
