"""CircuitBreaker: when calls to an upstream stop, for how long, and what answers meanwhile. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import SET, Duration, Model, Name, Percent, map_of
from slipstream_api.models.match import Match, TargetRefs

Calls = Annotated[int, Field(ge=1, le=100_000)]


class Window(Model):
    """What rates are computed over."""

    type: Literal["Time", "Count"] = Field(default="Time", description="Time: calls of the last `duration`. Count: the last `calls` calls.")
    duration: Duration = Field(default="30s", description="With type Time: how far back.")
    calls: Calls = Field(default=100, description="With type Count: how many.")
    minimum_calls: Calls = Field(default=10, description="With fewer calls in the window no rate opens the circuit.")


class Trip(Model):
    """What opens the circuit."""

    failure_rate_percent: Percent = Field(default=50, description="Share of failures; 0 switches it off.")
    slow_call_rate_percent: Percent = Field(default=0, description="Share of slow calls; 0 switches it off.")
    slow_call_duration: Duration = Field(default="2s", description="A call that takes longer is slow.")
    consecutive_failures: Annotated[int, Field(ge=0, le=100_000)] = Field(default=0, description="Failures in a row; 0 switches it off.")


class FailureOnHttp(Model):
    """Which HTTP outcomes are failures."""

    statuses: Annotated[
        tuple[Annotated[str, Field(max_length=3, pattern=r"^[1-5]([0-9]{2}|xx)$")], ...], Field(max_length=32, json_schema_extra=SET)
    ] = Field(default=("5xx",), description="Statuses, like 5xx or 429.")
    errors: Annotated[tuple[Literal["Connect", "Timeout", "Reset"], ...], Field(max_length=3, json_schema_extra=SET)] = Field(
        default=("Connect", "Timeout", "Reset"), description="Errors of the transport."
    )


class FailureOn(Model):
    """Which outcomes are failures."""

    http: FailureOnHttp = Field(default=FailureOnHttp(), description="Outcomes of HTTP calls.")


class Open(Model):
    """How long the circuit stays open."""

    duration: Duration = Field(default="60s", description="Time until probes are let through.")
    backoff_percent: Annotated[int, Field(ge=100, le=1000)] = Field(
        default=200, description="Each opening in a row lasts so much longer; 100 keeps it the same."
    )
    max_duration: Duration = Field(default="5m", description="Longest time, whatever the back-off says.")
    jitter_percent: Percent = Field(default=10, description="Random part of the time, so that pods don't probe at once.")


class HalfOpen(Model):
    """How probes decide."""

    max_probes: Annotated[int, Field(ge=1, le=1000)] = Field(default=3, description="Most probes at once.")
    success_rate_percent: Percent = Field(default=80, description="Share of good probes that closes the circuit.")
    minimum_probes: Annotated[int, Field(ge=1, le=1000)] = Field(default=3, description="Probes before the share counts.")


class Retry(Model):
    """Whether a failed call is tried again."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(default=1, description="Attempts in all; 1 means no retry.")
    budget_percent: Percent = Field(default=20, description="How much load retries may add.")
    per_try_timeout: Duration | None = Field(
        default=None, description="Longest time from sending a request to the head of its answer, for each attempt of an idempotent one."
    )


Cause = Literal["CircuitOpen", "Overload", "Connect", "Timeout", "Reset", "UpstreamStatus"]


class Fallback(Model):
    """One step of the chain that answers when the upstream can't."""

    type: Literal["StaleCache", "Static", "FailFast", "Upstream"] = Field(
        description="StaleCache: an earlier answer to the same caller. Static: the given one. FailFast: 503 at once. "
        "Upstream: a safe request without a body goes to another pool."
    )
    # Not `on`: that is a boolean in YAML 1.1, so that the key would be `true` to many a tool.
    causes: Annotated[tuple[Cause, ...], Field(max_length=6, json_schema_extra=SET)] = Field(
        default=(),
        description="Why the upstream's answer isn't to be had, where this step is for some causes only; all if not set. CircuitOpen: "
        "calls are stopped. Overload: our own limits. Connect, Timeout, Reset: as in failureOn. UpstreamStatus: 500, 502, 503 or 504.",
    )
    pool: Name | None = Field(default=None, description="With type Upstream: a ConnectionPool of the same workloads.")
    status: Annotated[int, Field(ge=200, le=599)] | None = Field(default=None, description="With type Static: the status.")
    body: Annotated[str, Field(max_length=4096)] | None = Field(default=None, description="With type Static: the body.")
    content_type: Annotated[str, Field(max_length=128, pattern=r"^[ -~]*$")] | None = Field(
        default=None, description="With type Static: the content type; application/json if not set."
    )
    retry_after: Duration | None = Field(default=None, description="Sent as Retry-After, in whole seconds.")


class BreakerRule(Model):
    """A circuit, or one for each operation."""

    name: Name = Field(description="Name of the rule, unique among the policies of a pool.")
    match: Match = Field(default=Match(), description="The operations it is about; {} means all.")
    scope: Literal["Rule", "Operation"] = Field(
        default="Rule", description="One circuit for all of them, or one for each operation; Rule if not set."
    )
    window: Window = Field(default=Window(), description="What rates are computed over.")
    trip: Trip = Field(default=Trip(), description="What opens the circuit.")
    failure_on: FailureOn = Field(default=FailureOn(), description="Which outcomes are failures.")
    open: Open = Field(default=Open(), description="How long the circuit stays open.")
    half_open: HalfOpen = Field(default=HalfOpen(), description="How probes decide.")
    max_concurrent_calls: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="Most calls under way at once in each pod, further ones are answered 503; 0 leaves it to maxConnections."
    )
    retry: Retry = Field(default=Retry(), description="Whether a failed call is tried again.")
    fallback: Annotated[tuple[Fallback, ...], Field(max_length=4, json_schema_extra=map_of("type"))] = Field(
        default=(), description="What answers when the upstream can't: the first step that applies."
    )


class CircuitBreakerSpec(Model):
    """When calls to the targeted pools stop."""

    target_refs: TargetRefs = Field(description="The pools that this policy is for.")
    mode: Literal["Enforce", "Shadow", "Disabled", "ForcedOpen", "ForcedClosed"] = Field(
        default="Enforce", description="Shadow computes the state and lets every call through; ForcedOpen and ForcedClosed override it."
    )
    rules: Annotated[tuple[BreakerRule, ...], Field(min_length=1, max_length=64, json_schema_extra=map_of("name"))] = Field(
        description="Circuits; the most specific match wins."
    )
