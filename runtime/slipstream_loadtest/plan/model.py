"""What a load test will do, as data: versioned, canonical, hashed. Pure; holds no URL that the runner must find out itself.

Offsets and durations are whole milliseconds from the common start; rates are exact fractions written "numerator/denominator".
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Final, Literal

import msgspec

from slipstream_loadtest.plan.asked import Checks, Comparison, Threshold
from slipstream_loadtest.plan.base import PlanPart
from slipstream_loadtest.plan.scenarios import DataList, Scenario

PLAN_VERSION: Final = 2

PhaseKind = Literal["WarmUp", "Ramp", "Settle", "Hold", "Drain", "Idle"]
TargetName = Literal["Direct", "Layers"]


class Tls(PlanPart, frozen=True, kw_only=True):
    """How an https target is verified. `ca`: PEM, in place of the system's."""

    verify: bool = True
    server_name: str = ""
    ca: str = ""


class Target(PlanPart, frozen=True, kw_only=True):
    """One way to the target. `env`: the environment variable that holds the URL, in place of `url`. Resolution DNS: never by the hosts
    file, which in a pod with a sidecar leads back through the layers."""

    name: TargetName
    url: str = ""
    env: str = ""
    resolution: Literal["System", "DNS"] = "System"
    tls: Tls | None = None


class Connections(PlanPart, frozen=True, kw_only=True):
    """How users reach a target. `shared`: connections of all runners together that closed users take in turn; 0: each has its own."""

    reuse: bool = True
    shared: int = 0


class Stage(PlanPart, frozen=True, kw_only=True):
    """A level of load. Closed: `users` at once, each starts its next iteration when the last has ended. Open: `rate` iterations a second
    whatever happens, at most `max_in_flight` of them unfinished, over at most `connections` connections."""

    name: str
    model: Literal["Closed", "Open"]
    users: int = 0
    rate: str = "0/1"
    max_in_flight: int = 0
    connections: int = 0
    duration_ms: int
    ramp_ms: int = 0
    settle_ms: int = 0
    drain_ms: int = 1_000

    @property
    def exact_rate(self) -> Fraction:
        return Fraction(self.rate)


class Phase(PlanPart, frozen=True, kw_only=True):
    """A fixed window of the run. Only Hold is judged; all others are recorded and listed, never judged.

    WarmUp: load of the first stage. Ramp: load goes in a line from `users_from` or `rate_from` to the stage's. Settle: the stage's load.
    Drain: no new calls, those in flight end. Idle: no calls at all, for floors of the target's memory.
    """

    kind: PhaseKind
    target: TargetName
    repeat: int
    stage: str
    start_ms: int
    duration_ms: int
    users_from: int = 0
    rate_from: str = "0/1"

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms


class Plan(PlanPart, frozen=True, kw_only=True):
    """Everything that runners need to know; the same plan and seed always make the same requests."""

    version: int = PLAN_VERSION
    name: str
    namespace: str
    seed: int
    runners: int
    timeout_ms: int
    drain_ms: int
    slice_ms: int = 1_000  # length of the slices in which series are kept over time; the last one of a phase may be shorter
    max_lost: int = 0  # so many lost runners leave a run that is judged (with the load that was offered)
    connections: Connections = Connections()
    targets: tuple[Target, ...]
    stages: tuple[Stage, ...]
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    data: tuple[DataList, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    comparison: Comparison = Comparison()
    checks: Checks = Checks()

    @property
    def duration_ms(self) -> int:
        """From the common start to the end of the last phase."""
        return max((p.end_ms for p in self.phases), default=0)

    @property
    def longest_ms(self) -> int:
        """From the common start to when a runner may still be at work: after the last phase it probes what the checks ask for."""
        return self.duration_ms + self.checks.probing_ms(self.runners, self.timeout_ms)

    def stage(self, name: str) -> Stage:
        return next(s for s in self.stages if s.name == name)

    def target(self, name: str) -> Target:
        return next(t for t in self.targets if t.name == name)

    @property
    def candidate(self) -> TargetName:
        """The target that is judged: through the layers where there are any."""
        return "Layers" if any(t.name == "Layers" for t in self.targets) else self.targets[0].name


def encode_plan(plan: Plan) -> bytes:
    """Canonical JSON: equal plans give equal bytes."""
    return msgspec.json.encode(plan, order="sorted")


def decode_plan(data: bytes | str) -> Plan:
    """The plan in `data`; raises msgspec.ValidationError that names the offending path, or says which version it can't run."""
    version = msgspec.json.decode(data, type=_Versioned).version
    if version != PLAN_VERSION:
        raise msgspec.ValidationError(
            f"plan of version {version}: this runner runs version {PLAN_VERSION}; use the operator's own runtime image"
        )
    return msgspec.json.decode(data, type=Plan)


def plan_hash(plan: Plan) -> str:
    """sha256 of the canonical JSON, hex: what every part names, so that unlike plans are never added up."""
    return hashlib.sha256(encode_plan(plan)).hexdigest()


class _Versioned(msgspec.Struct):
    version: int = 0
