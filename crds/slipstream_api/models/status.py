"""What the operator writes into `status`. Declarations only; every list and text is bounded, and nothing is a float."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import ATOMIC, Model, map_of

Short = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0)]
Stamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


Trigger = Literal["SpecChanged", "Rerun", "Schedule", "PolicyChange", "Rollout"]


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=64)] = Field(description="What it is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: Count | None = Field(default=None, description="The generation of the spec that it is about.")
    last_transition_time: Stamp = Field(description="When status last changed.")
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")] = Field(
        description="Why, in one word."
    )
    message: Annotated[str, Field(max_length=2048)] = Field(description="Why, for a person.")


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=map_of("type"))]


class PolicySummary(Model):
    """Texts made for the columns of kubectl."""

    targets: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="What the policy is for.")
    pods: Short | None = Field(default=None, description="Pods that enforce it, of those that should.")
    revision: Short | None = Field(default=None, description="Revision of the configuration it is part of.")
    figure: Short | None = Field(default=None, description="The kind's own figure: hit share, circuit state, connections in use.")


class TargetStatus(Model):
    """One thing that a policy is for."""

    kind: Short = Field(description="Kind of the target.")
    name: Short = Field(description="Name of the target.")
    state: Short = Field(description="Whether the policy is in force there.")
    reason: Short | None = Field(default=None, description="Why not.")
    message: Text | None = Field(default=None, description="Why not, for a person.")
    pods_desired: Count | None = Field(default=None, description="Pods that should enforce it.")
    pods_current: Count | None = Field(default=None, description="Pods that do.")


class PolicyStatus(Model):
    """State of ConnectionPool, CachePolicy and CircuitBreaker."""

    observed_generation: Count | None = Field(default=None, description="The generation that was looked at last.")
    conditions: Conditions | None = Field(default=None, description="Accepted, ResolvedRefs, Injected, Programmed, Enforced, Ready, ...")
    summary: PolicySummary | None = Field(default=None, description="Texts made for columns.")
    targets: Annotated[tuple[TargetStatus, ...], Field(max_length=32, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="What the policy is for, worst first."
    )


class RunnersStatus(Model):
    """The pods of the last run."""

    desired: Count | None = Field(default=None, description="How many there should be.")
    ready: Count | None = Field(default=None, description="How many were ready at the start.")
    succeeded: Count | None = Field(default=None, description="How many left their part.")
    failed: Count | None = Field(default=None, description="How many were lost.")
    summary: Short | None = Field(default=None, description="Parts of those that should be, for the column.")


class RunSummary(Model):
    """Texts made for the columns of kubectl."""

    rps: Short | None = Field(default=None, description="Answers a second.")
    p50: Short | None = Field(default=None, description="Median latency.")
    p95: Short | None = Field(default=None, description="95th percentile of the latency.")
    p99: Short | None = Field(default=None, description="99th percentile of the latency.")
    errors: Short | None = Field(default=None, description="Share of errors.")
    delta: Short | None = Field(default=None, description="Change of p95 against the baseline.")
    requests: Count | None = Field(default=None, description="Calls in the measured stages.")
    wrong: Count | None = Field(default=None, description="Answers without what they must contain.")
    hit_percent: Short | None = Field(default=None, description="Share of answers from the cache.")


class ThresholdResult(Model):
    """What became of a threshold."""

    name: Short = Field(description="Name of the threshold.")
    observed: Short | None = Field(default=None, description="What was measured.")
    limit: Short = Field(description="The bound.")
    result: Literal["Passed", "Failed", "NoData"] = Field(description="Whether it was kept.")


class CheckResult(Model):
    """What became of a check, and whether it could have found anything."""

    name: Literal["isolation", "memoryGrowth", "degradation"] = Field(description="Which check.")
    result: Literal["Passed", "Failed", "Inconclusive"] = Field(description="What it found.")
    control: Literal["Caught", "Missed", "NotRun"] = Field(
        description="Whether the same check finds what was broken on purpose: if not, that it found nothing means nothing."
    )
    observed: Short | None = Field(default=None, description="Crossings between sessions; the memory's slope; the steepest step.")
    limit: Short | None = Field(default=None, description="The bound.")
    detectable: Short | None = Field(default=None, description="The least that this run could have found.")


class StageResult(Model):
    """What was measured in a stage."""

    name: Short = Field(description="Name of the stage.")
    target: Short | None = Field(default=None, description="Direct or Layers.")
    rps: Short | None = Field(default=None, description="Answers a second.")
    p50: Short | None = Field(default=None, description="Median latency.")
    p95: Short | None = Field(default=None, description="95th percentile of the latency.")
    p99: Short | None = Field(default=None, description="99th percentile of the latency.")
    errors: Short | None = Field(default=None, description="Share of errors.")
    requests: Count | None = Field(default=None, description="Calls.")


class ComparisonResult(Model):
    """How a metric changed against the baseline."""

    metric: Short = Field(description="The metric.")
    stage: Short | None = Field(default=None, description="In which stage.")
    baseline: Short | None = Field(default=None, description="The baseline's value.")
    candidate: Short | None = Field(default=None, description="The value through the layers.")
    change: Short | None = Field(default=None, description="The change.")
    interval: Short | None = Field(default=None, description="Its 95 % interval.")
    p: Short | None = Field(default=None, description="p of the Mann-Whitney U test.")
    result: Literal["Improved", "Regressed", "NoChange", "Inconclusive"] = Field(description="What that means.")


class PolicyInForce(Model):
    """A policy for the target, as it was at the run's common start."""

    kind: Short = Field(description="Its kind.")
    name: Short = Field(description="Its name.")
    generation: Count = Field(description="Its generation.")
    hash: Short | None = Field(default=None, description="Digest of its spec.")
    state: Short | None = Field(default=None, description="Enforced, or the reason why it wasn't in force.")


class RunRecord(Model):
    """An earlier run."""

    run: Count = Field(description="Its number.")
    reason: Short = Field(description="How it ended.")
    code: Short | None = Field(default=None, description="Of an inconclusive run: the verdict's deciding reason.")
    trigger: Trigger | None = Field(default=None, description="Why it began.")
    rps: Short | None = Field(default=None, description="Answers a second.")
    p95: Short | None = Field(default=None, description="95th percentile of the latency.")
    errors: Short | None = Field(default=None, description="Share of errors.")
    completion_time: Stamp | None = Field(default=None, description="When its result was stored.")
    result: Short | None = Field(default=None, description="Name of the ConfigMap with its result.")


class SidecarCounters(Model):
    """Counters of the runners' sidecars, added up."""

    requests: Count = Field(default=0, description="Requests.")
    errors: Count = Field(default=0, description="Requests that the upstream didn't answer.")
    hits: Count = Field(default=0, description="Answers from the cache.")
    misses: Count = Field(default=0, description="Requests that a cache rule matched and had no answer for.")
    retries: Count = Field(default=0, description="Further attempts.")
    rejected: Count = Field(default=0, description="Attempts that a budget or an open circuit refused.")
    opened: Count = Field(default=0, description="Connections opened to the upstream.")


class Seen(Model):
    """What a trigger has seen last."""

    digest: Short = Field(description="Digest of it.")
    steady: bool = Field(default=False, description="Whether all of it is in force, or ready.")
    since: Stamp = Field(description="Since when.")


class Observed(Model):
    """What the triggers have seen last."""

    policies: Seen | None = Field(default=None, description="Generations of the policies on the pool.")
    rollout: Seen | None = Field(default=None, description="Pod templates of the target.")


class ResultRef(Model):
    """Where the whole result is."""

    kind: Short = Field(description="ConfigMap.")
    name: Short = Field(description="Its name.")


class LoadTestStatus(Model):
    """State of a LoadTest: its last run, and a record of earlier ones."""

    observed_generation: Count | None = Field(default=None, description="The generation that was looked at last.")
    conditions: Conditions | None = Field(default=None, description="Accepted, RunnersReady, Succeeded, ThresholdsMet, Ready, ...")
    run: Count | None = Field(default=None, description="Number of the last run.")
    run_key: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="What the last run was for; at most one run a key."
    )
    trigger: Trigger | None = Field(default=None, description="Why the last run began.")
    queue: Annotated[str, Field(max_length=300)] | None = Field(default=None, description="The queue that the last run is in.")
    queued_at: Stamp | None = Field(default=None, description="Since when it waits for its turn.")
    last_schedule_time: Stamp | None = Field(default=None, description="The scheduled time of the last run by schedule.")
    next_schedule_time: Stamp | None = Field(default=None, description="When the schedule runs next.")
    observed: Observed | None = Field(default=None, description="What the triggers have seen last.")
    sidecars: SidecarCounters | None = Field(default=None, description="Counters of the runners' sidecars at the common start.")
    plan_hash: Short | None = Field(default=None, description="Digest of the last run's plan.")
    runners: RunnersStatus | None = Field(default=None, description="The pods of the last run.")
    begin_time: Stamp | None = Field(default=None, description="When the last run was written down.")
    start_time: Stamp | None = Field(default=None, description="The common start of the last run.")
    completion_time: Stamp | None = Field(default=None, description="When the last run's result was stored.")
    reasons: Annotated[tuple[Short, ...], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Codes of all that the last run's verdict says, the deciding one first."
    )
    progress: Short | None = Field(default=None, description="Where a run in progress is.")
    summary: RunSummary | None = Field(default=None, description="Texts made for columns.")
    thresholds: Annotated[tuple[ThresholdResult, ...], Field(max_length=32, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="What became of the thresholds."
    )
    checks: Annotated[tuple[CheckResult, ...], Field(max_length=3, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="What became of the checks, each with its control."
    )
    stages: Annotated[tuple[StageResult, ...], Field(max_length=64, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="What was measured, stage by stage."
    )
    comparison: Annotated[tuple[ComparisonResult, ...], Field(max_length=32, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="How the metrics changed against the baseline."
    )
    policies: Annotated[tuple[PolicyInForce, ...], Field(max_length=32, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Policies for the target at the common start."
    )
    result_ref: ResultRef | None = Field(default=None, description="Where the whole result is.")
    history: Annotated[tuple[RunRecord, ...], Field(max_length=40, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Earlier runs, newest first."
    )
