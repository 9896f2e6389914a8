"""LoadTest: what is measured, with which load, against which thresholds. Declarations only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipstream_api.models.fields import Duration, Model, Name, map_of
from slipstream_api.models.loadtest.judgement import Checks, Comparison, Threshold
from slipstream_api.models.loadtest.load import Data, Scenario, Stage
from slipstream_api.models.loadtest.running import History, Runners, Schedule, Triggers
from slipstream_api.models.loadtest.target import Connections, Target


class LoadTestSpec(Model):
    """What is measured, with which load, against which thresholds."""

    target: Target = Field(description="What is measured.")
    connections: Connections = Field(default=Connections(), description="How users reach it.")
    comparison: Comparison = Field(default=Comparison(), description="What the result is compared with.")
    runners: Runners = Field(default=Runners(), description="Where the load comes from.")
    warmup: Duration = Field(default="0s", description="Load before the first stage, never part of a verdict.")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=50, json_schema_extra=map_of("name"))] = Field(
        description="Stretches of constant load, one after another."
    )
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1, max_length=20, json_schema_extra=map_of("name"))] = Field(
        description="What users do, chosen by weight."
    )
    data: Annotated[tuple[Data, ...], Field(max_length=8, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Values for templates."
    )
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=32, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Bounds on what was measured; without data a bound is never met."
    )
    checks: Checks = Field(default=Checks(), description="Properties that are checked besides thresholds.")
    rerun: Annotated[str, Field(max_length=64)] = Field(default="", description="Change this text to run again.")
    schedule: Schedule | None = Field(default=None, description="When to run again by itself.")
    triggers: Triggers = Field(default=Triggers(), description="What else makes it run again.")
    queue: Name | None = Field(
        default=None, description="Tests of one queue and namespace run one after another; the target's own queue if not set."
    )
    active_deadline: Duration | None = Field(
        default=None,
        description="From the start of a run to its end; what takes longer is ended as Aborted. As long as the plan needs if not set.",
    )
    suspend: bool = Field(default=False, description="true ends the run in progress as Aborted and starts none.")
    history: History = Field(default=History(), description="How many results are kept.")
    ttl_after_finished: Duration = Field(
        default="1h", description="How long the Job and its pods are kept, counted from when the result is stored."
    )
