"""What a load test will do, as data: versioned, canonical, hashed. Pure; holds no URL that the runner must find out itself.

Offsets and durations are whole milliseconds from the common start; rates are exact fractions written "numerator/denominator".
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Final, Literal

import msgspec

PLAN_VERSION: Final = 1

PhaseKind = Literal["WarmUp", "Hold", "Drain"]
TargetName = Literal["Direct", "Layers"]


class PlanPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base: immutable, camelCase on the wire, unknown fields refused (a runner never measures half of a plan)."""


class Target(PlanPart, frozen=True, kw_only=True):
    """One way to the target. `env`: the environment variable that holds the URL, in place of `url`. Resolution DNS: never by the hosts
    file, which in a pod with a sidecar leads back through the layers."""

    name: TargetName
    url: str = ""
    env: str = ""
    resolution: Literal["System", "DNS"] = "System"


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

    @property
    def exact_rate(self) -> Fraction:
        return Fraction(self.rate)


class Phase(PlanPart, frozen=True, kw_only=True):
    """A fixed window of the run. Only Hold is judged; warm-up and drain are recorded and listed, never judged."""

    kind: PhaseKind
    target: TargetName
    repeat: int
    stage: str
    start_ms: int
    duration_ms: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms


class HttpRequest(PlanPart, frozen=True, kw_only=True):
    """One HTTP request; path, header values and body are templates."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class Expect(PlanPart, frozen=True, kw_only=True):
    """What makes an answer right: one of these statuses, and every text of `contains` (templates) in the body."""

    status: tuple[int, ...] = (200,)
    contains: tuple[str, ...] = ()


class Step(PlanPart, frozen=True, kw_only=True):
    name: str
    http: HttpRequest
    expect: Expect = Expect()


class Scenario(PlanPart, frozen=True, kw_only=True):
    """Steps that one user does one after the other; a failed step ends the iteration."""

    name: str
    weight: int = 1
    steps: tuple[Step, ...]


class DataList(PlanPart, frozen=True, kw_only=True):
    """Values of which each iteration draws one."""

    name: str
    values: tuple[str, ...]


class Threshold(PlanPart, frozen=True, kw_only=True):
    """A bound on a metric, in the metric's own unit (ms, percent, per second, count); stage empty: over all stages."""

    name: str
    metric: str
    stage: str = ""
    min: float | None = None
    max: float | None = None


class Comparison(PlanPart, frozen=True, kw_only=True):
    baseline: Literal["Direct", "None"] = "None"
    repeats: int = 1
    noise_percent: float = 3.0
    confidence: float = 0.95


class Plan(PlanPart, frozen=True, kw_only=True):
    """Everything that runners need to know; the same plan and seed always make the same requests."""

    version: int = PLAN_VERSION
    name: str
    namespace: str
    seed: int
    runners: int
    timeout_ms: int
    drain_ms: int
    targets: tuple[Target, ...]
    stages: tuple[Stage, ...]
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    data: tuple[DataList, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    comparison: Comparison = Comparison()

    @property
    def duration_ms(self) -> int:
        """From the common start to the end of the last phase."""
        return max((p.end_ms for p in self.phases), default=0)

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
