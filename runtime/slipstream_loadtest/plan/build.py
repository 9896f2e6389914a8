"""LoadTest spec → plan: what will be sent, when and where, exactly. Pure: the same spec, routes, ConfigMaps and seed always give the same
plan. Holds no rule of its own: stages.py, feeders.py, requests.py and asks.py do, and refuse with the field's path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from slipstream_api.scalars import parse_duration
from slipstream_loadtest.http.request import compile_scenarios
from slipstream_loadtest.plan import asks, feeders, requests, rows, stages
from slipstream_loadtest.plan.asked import Comparison
from slipstream_loadtest.plan.checks import checks_of, refusal
from slipstream_loadtest.plan.feeders import ConfigMaps, references
from slipstream_loadtest.plan.model import Connections, Plan, Target, TargetName, Tls, decode_plan, encode_plan, plan_hash
from slipstream_loadtest.plan.refused import PlanRefused
from slipstream_loadtest.plan.template import TemplateError

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec

DRAIN_MS: Final = 1_000  # after a stage, for the calls in flight; what takes longer is censored, and a bound that rests on it isn't passed
_NONE: Final[Mapping[tuple[str, str], str]] = {}
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Route:
    """A way to the target: its URL, or the environment variable in which a runner finds it."""

    url: str = ""
    env: str = ""
    resolution: Literal["System", "DNS"] = "System"


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways to the target that exist. A `url` target has only `direct`."""

    direct: Route | None = None
    layers: Route | None = None


def build_plan(
    name: str,
    namespace: str,
    spec: LoadTestSpec,
    routes: Routes,
    seed: int,
    *,
    runners: int | None = None,
    config_maps: ConfigMaps = _NONE,
    timeout_ms: int | None = None,
    drain_ms: int = DRAIN_MS,
) -> Plan:
    """The plan of a LoadTest. `runners` and `timeout_ms` replace the spec's; `config_maps`: (name, key) → text of what `references` lists;
    `drain_ms`: of stages that say nothing. Raises PlanRefused."""
    count = spec.runners.count if runners is None else runners
    comparison, connections = asks.comparison(spec), _connections(spec, count)
    targets = _targets(spec, routes, comparison, config_maps)
    made = stages.stages(spec, connections, count, drain_ms)
    checks = checks_of(spec.checks)
    floors = checks.memory_growth is not None
    phases = stages.phases(stages.interleaved(targets, comparison.repeats), made, parse_duration(spec.warmup), floors=floors)
    slice_ms = stages.slice_ms(phases)
    plan = Plan(
        name=name,
        namespace=namespace,
        seed=seed,
        runners=count,
        timeout_ms=_timeout(spec) if timeout_ms is None else timeout_ms,
        drain_ms=max(stage.drain_ms for stage in made),
        slice_ms=slice_ms,
        max_lost=_max_lost(spec, count),
        connections=connections,
        targets=_with_memory(targets, routes) if floors else targets,
        stages=made,
        phases=phases,
        scenarios=requests.scenarios(spec),
        data=feeders.lists(spec.data, config_maps),
        thresholds=asks.thresholds(spec, made, slice_ms),
        comparison=comparison,
        checks=checks,
    )
    _check_requests(plan)
    _check_rows(plan)
    return plan


def _check_requests(plan: Plan) -> None:
    requests.check_templates(plan.scenarios, plan.checks, rows.columns(plan.data))
    if why := refusal(plan.checks):
        raise PlanRefused(*why)
    try:
        compile_scenarios(plan.scenarios, plan.data, "target")
    except TemplateError as error:
        raise PlanRefused("spec.scenarios", str(error)) from None


def _check_rows(plan: Plan) -> None:
    """Lists that may not begin again must be long enough for this load."""
    most = max(max(stage.users, stage.connections) for stage in plan.stages)
    for one in plan.data:
        path, there = f"spec.data[{one.name}].onExhausted", len(one.rows)
        if one.wrap or one.mode == "Random":
            continue
        if one.mode == "UniquePerUser" and there < most:
            raise PlanRefused(path, f"{most} users need as many rows, there are {there}: add rows, or set Wrap")
        closed = next((stage.name for stage in plan.stages if stage.model == "Closed"), None)
        if one.mode == "Sequential" and closed is not None:
            why = f"how many rows the users of stage {closed} take isn't known before they have run"
            raise PlanRefused(path, f"{why}: set Wrap, or mode UniquePerUser, or give the stage ratePerSecond in place of users")
        if one.mode == "Sequential" and there < (needed := stages.arrivals_in_all(plan.phases, plan.stages)):
            raise PlanRefused(path, f"{needed} arrivals need as many rows, there are {there}: add rows, or set Wrap")


def _connections(spec: LoadTestSpec, runners: int) -> Connections:
    shared = spec.connections.max if spec.connections.sharing == "Shared" else None
    if shared is not None and shared < runners:
        raise PlanRefused("spec.connections.max", f"{shared} leaves some of {runners} runners without any: set at least {runners}")
    return Connections(reuse=spec.connections.reuse, shared=shared or 0)


def _timeout(spec: LoadTestSpec) -> int:
    timeout = parse_duration(spec.connections.timeout)
    if timeout <= 0:
        raise PlanRefused("spec.connections.timeout", "no call would ever be answered: write 10s")
    return timeout


def _max_lost(spec: LoadTestSpec, runners: int) -> int:
    if spec.runners.max_lost and spec.runners.loss_policy == "Fail":
        raise PlanRefused("spec.runners.maxLost", "has no effect with lossPolicy Fail: set Continue or Replace, or remove it")
    return min(spec.runners.max_lost, runners - 1)


def _targets(spec: LoadTestSpec, routes: Routes, comparison: Comparison, config_maps: ConfigMaps) -> tuple[Target, ...]:
    direct, layers = _target("Direct", routes.direct, _tls(spec, config_maps)), _target("Layers", routes.layers)
    if comparison.baseline == "Direct":
        if direct is None or layers is None:
            raise PlanRefused("spec.comparison.baseline", "Direct needs a way through the layers and one past them: set target.poolRef")
        return (direct, layers)
    only = layers or direct
    if only is None:
        raise PlanRefused("spec.target", "there is no way to it: set poolRef or url")
    return (only,)


def _target(name: TargetName, route: Route | None, tls: Tls | None = None) -> Target | None:
    return None if route is None else Target(name=name, url=route.url, env=route.env, resolution=route.resolution, tls=tls)


def _with_memory(targets: tuple[Target, ...], routes: Routes) -> tuple[Target, ...]:
    """Also the way past the layers where there is one, though no load goes there: the target's memory is read by it."""
    direct = _target("Direct", routes.direct)
    return targets if direct is None or any(t.name == "Direct" for t in targets) else (direct, *targets)


def _tls(spec: LoadTestSpec, config_maps: ConfigMaps) -> Tls | None:
    asked = spec.target.tls
    if asked is None:
        return None
    path = "spec.target.tls.caConfigMap"
    ca = feeders.text_of(asked.ca_config_map, path, config_maps) if asked.ca_config_map is not None else ""
    if asked.ca_config_map is not None and _CERTIFICATE not in ca:
        raise PlanRefused(path, f"key {asked.ca_config_map.key} holds no certificate in PEM: it begins with {_CERTIFICATE}")
    return Tls(verify=asked.verify == "Full", server_name=asked.server_name or "", ca=ca)


__all__ = ["ConfigMaps", "Plan", "PlanRefused", "Route", "Routes", "build_plan", "decode_plan", "encode_plan", "plan_hash", "references"]
