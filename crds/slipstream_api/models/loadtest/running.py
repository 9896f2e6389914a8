"""When and where a LoadTest runs, and what is kept of it. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import Duration, Model


class Runners(Model):
    """Where the load comes from."""

    count: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="Runner pods that share the load.")
    max_users_per_runner: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=2500, description="More users than count times this are refused."
    )
    loss_policy: Literal["Fail", "Continue", "Replace"] = Field(
        default="Fail",
        description="When a runner is lost. Fail: the others end. Continue: they go on while no more than maxLost are lost. "
        "Replace: one that is lost before the start is replaced; after it as Continue.",
    )
    max_lost: Annotated[int, Field(ge=0, le=99)] = Field(
        default=0, description="With Continue and Replace: so many lost runners leave a run that is worth ending."
    )
    start_timeout: Duration = Field(default="3m", description="For all runners to be ready.")


class Schedule(Model):
    """When to run again by itself."""

    cron: Annotated[str, Field(min_length=9, max_length=64, pattern=r"^[0-9*/,A-Za-z -]+$")] = Field(
        description="Minute, hour, day of month, month, day of week."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = Field(
        default="UTC", description="IANA name of the time zone that cron is read in."
    )
    concurrency_policy: Literal["Forbid", "Replace"] = Field(
        default="Forbid", description="When a run is in progress: Forbid leaves the new one out, Replace ends the old one as Aborted."
    )
    starting_deadline: Duration = Field(default="10m", description="A run that couldn't start within this time is left out.")


class Triggers(Model):
    """What else makes it run again."""

    on_policy_change: bool = Field(
        default=False, description="With target.poolRef: a new generation of a policy on that pool, once in force."
    )
    on_target_rollout: bool = Field(default=False, description="With target.poolRef: new pods of the pool's upstream, once all are ready.")
    settle: Duration = Field(default="30s", description="Quiet time before it runs; further changes begin it anew.")


class History(Model):
    """How many results are kept."""

    passed: Annotated[int, Field(ge=0, le=20)] = Field(default=3, description="Of runs that passed.")
    failed: Annotated[int, Field(ge=0, le=20)] = Field(default=5, description="Of other runs.")
