"""One load test on this machine: finds its routes, plans, runs with live progress, judges. Prints progress only; decides no verdict."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop

from slipstream_api.clock import MonotonicClock
from slipstream_api.config import RuntimeConfig
from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.baseline import NoBaseline, fit, watch
from slipstream_cli.console import err
from slipstream_cli.progress import progress
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.http.url_guard import check_url
from slipstream_loadtest.judged.alike import Baseline
from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.build import PlanRefused, Route, Routes, build_plan
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop, run_local

SEED = 1  # the same load each time, so that two runs can be compared


class CannotMeasure(Exception):  # noqa: N818 - an answer, not a malfunction
    """Why a load test can't be run; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run left."""

    plan: Plan
    result: Result
    verdict: Verdict


def routes_of(spec: LoadTestSpec, socket: Path) -> Routes:
    """The ways to the target: a URL, or a pool of the running `slipstream run` with the way past its layers."""
    if spec.target.url is not None:
        if refused := check_url(spec.target.url):
            raise CannotMeasure(f"spec.{refused.message}")
        return Routes(direct=Route(url=spec.target.url))
    assert spec.target.pool_ref is not None
    name = spec.target.pool_ref.name
    try:
        urls = local_urls(admin.get(socket, "/status", {"full": "1"})["config"])
    except (admin.NotRunning, ValueError) as error:
        raise CannotMeasure(str(error)) from None
    if name not in urls:
        raise CannotMeasure(f"spec.target.poolRef.name: the running `slipstream run` has no pool {name}, but {', '.join(sorted(urls))}")
    layers, direct = urls[name]
    return Routes(direct=Route(url=direct), layers=Route(url=layers))


def local_urls(config: dict[str, object] | None) -> dict[str, tuple[str, str]]:
    """Pool → (URL of its layers, URL of its upstream), of an effective configuration as `status?full=1` gives it."""
    decoded = msgspec.convert(config, RuntimeConfig | None)
    found = {}
    for pool in decoded.pools if decoded is not None else ():
        bind = next((b for b in pool.binds if b.kind == "Local"), None)
        if bind is not None:
            upstream = pool.upstream
            host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
            scheme = "http" if upstream.tls.mode == "Disabled" else "https"
            found[pool.name] = (f"http://{bind.address}:{bind.port}", f"{scheme}://{host}:{upstream.port}")
    return found


def measure(
    test: Resource,
    routes: Routes,
    runners: int | None,
    quiet: bool = False,
    baseline: Baseline | None = None,
    config_maps: Mapping[tuple[str, str], str] | None = None,
) -> Measured:
    """Runs a test with a progress bar; SIGINT ends it early with what there is. `config_maps`: (name, key) → text of what its spec refers
    to. Raises CannotMeasure."""
    assert isinstance(test.spec, LoadTestSpec)
    try:
        plan = build_plan(test.name, test.namespace, test.spec, routes, SEED, runners=runners or 1, config_maps=config_maps or {})
        fit(plan, baseline)
        result = uvloop.run(_run(plan, quiet))
    except (PlanRefused, TargetUnusable, NoBaseline) as error:
        raise CannotMeasure(str(error)) from None
    return Measured(plan, result, judge(plan, result, baseline))


async def _run(plan: Plan, quiet: bool) -> Result:
    abort = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, abort.set)
    with progress(plan, err, MonotonicClock(), quiet) as report:
        return (await run_local(plan, on_progress=report, on_parts=watch(plan, abort), abort=abort)).result
