"""What is there of one LoadTest, read fresh from the API server and asked of its runners. Decides nothing, changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from slipstream_api.models import ConnectionPoolSpec, LoadTestSpec
from slipstream_api.scalars import parse_duration
from slipstream_loadtest.plan.model import Plan, decode_plan
from slipstream_operator.delivery.client import Unreachable
from slipstream_operator.errors import NotFound
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, JOB, LOAD_TEST, POD, Kind
from slipstream_operator.loadtests.client import Progress, RunnerClient, RunnerState
from slipstream_operator.loadtests.config_maps import resolved
from slipstream_operator.loadtests.facts import Facts, JobFacts, LoadTestFacts, Problem, RunnerFacts
from slipstream_operator.loadtests.manifests import LABEL_RUN, LABEL_TEST, PLAN_FILE, RESULT_FILE, object_name
from slipstream_operator.loadtests.plannable import refusal
from slipstream_operator.loadtests.pods import oldest_first, runner_facts
from slipstream_operator.loadtests.target import Measurable, measurable


@dataclass(slots=True)
class Memory:
    """What the process keeps of one run; lost in a restart, and then asked for again. `parts`: index → encoded part."""

    run: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    abort_asked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """Facts for `decide`, and what applying needs besides."""

    facts: Facts
    spec: LoadTestSpec | None
    target: Measurable | None
    plan: Plan | None = None
    result: str = ""  # the stored result, as JSON
    progress: str = ""


class Gatherer:
    """One per process. `cluster_domain`: not empty when URLs outside of it are refused."""

    def __init__(self, kube: Kube, client: RunnerClient, cluster_domain: str = "") -> None:
        self._kube, self._client, self._cluster_domain = kube, client, cluster_domain

    async def gather(self, namespace: str, name: str, memory: Memory) -> Gathered | None:
        """Everything about a LoadTest; None when it is gone. Forgets another run's memory."""
        thing = await self._maybe(LOAD_TEST, namespace, name)
        if thing is None or thing["metadata"].get("deletionTimestamp"):
            return None
        test = _test(thing)
        if memory.run != test.run:
            memory.run, memory.abort_asked_at = test.run, None
            memory.parts.clear()
            memory.lost.clear()
        spec, target = await self._target(test)
        if not test.key:
            return Gathered(_facts(test, target, spec), spec, _found(target))
        return await self._of_run(test, spec, target, memory)

    async def _of_run(self, test: LoadTestFacts, spec: LoadTestSpec | None, target: Measurable | Problem, memory: Memory) -> Gathered:
        name = object_name(test.name, test.run)
        job, plan_map, result_map = await asyncio.gather(
            self._maybe(JOB, test.namespace, name),
            self._maybe(CONFIG_MAP, test.namespace, f"{name}-plan"),
            self._maybe(CONFIG_MAP, test.namespace, f"{name}-result"),
        )
        plan = decode_plan(plan_map["data"][PLAN_FILE].encode()) if plan_map is not None else None
        runners, states = await self._runners(test) if job is not None else ((), ())
        facts = _facts(
            test,
            target,
            spec,
            job=_job(job),
            plan_stored=plan is not None,
            result_stored=result_map is not None,
            runners=runners,
            wanted=plan.runners if plan is not None else 1,
            duration=plan.longest_ms / 1000 if plan is not None else 0.0,
            started_at=_started(test, runners),
            begun_at=_unix(test.status.get("beginTime")),
        )
        stored = result_map["data"][RESULT_FILE] if result_map is not None else ""
        return Gathered(facts, spec, _found(target), plan, stored, _progress([s.progress for s in states if s.progress is not None]))

    async def _runners(self, test: LoadTestFacts) -> tuple[tuple[RunnerFacts, ...], tuple[RunnerState, ...]]:
        pods = await self._kube.list(POD, test.namespace, labels=f"{LABEL_TEST}={test.name},{LABEL_RUN}={test.run}")
        known = [runner_facts(pod) for pod in oldest_first(pods)]
        asked = await asyncio.gather(*(self._ask(runner) for runner in known))
        return tuple(runner for runner, _ in asked), tuple(state for _, state in asked if state is not None)

    async def _ask(self, runner: RunnerFacts) -> tuple[RunnerFacts, RunnerState | None]:
        if not runner.ip or runner.over:
            return runner, None
        try:
            state = await self._client.state(runner.ip)
        except Unreachable:
            return runner, None
        if state.attempt != runner.uid:  # another pod has the address by now
            return runner, None
        return runner.answered(state.phase, state.start_at), state

    async def _target(self, test: LoadTestFacts) -> tuple[LoadTestSpec | None, Measurable | Problem]:
        try:
            spec = LoadTestSpec.model_validate(test.spec)
        except ValidationError as error:
            where = ".".join(str(step) for step in error.errors()[0]["loc"])
            return None, Problem("Accepted", "Invalid", f"spec.{where}: {error.errors()[0]['msg']}")
        pools: list[tuple[str, ConnectionPoolSpec]] = []
        if spec.target.pool_ref is not None:
            pool = await self._maybe(CONNECTION_POOL, test.namespace, spec.target.pool_ref.name)
            if pool is not None:
                pools.append((pool["metadata"]["name"], ConnectionPoolSpec.model_validate(pool["spec"])))
        target = measurable(test.namespace, spec, pools, self._cluster_domain)
        target = await resolved(spec, target, lambda name: self._maybe(CONFIG_MAP, test.namespace, name))
        return spec, _plannable(test, spec, target)

    async def _maybe(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._kube.get(kind, namespace, name)
        except NotFound:
            return None


def _plannable(test: LoadTestFacts, spec: LoadTestSpec, target: Measurable | Problem) -> Measurable | Problem:
    """What no schema can say: bounds of the wrong unit, templates without data. Told before a run, not by one."""
    if isinstance(target, Measurable) and (refused := refusal(test.name, test.namespace, spec, target)):
        return Problem("Accepted", "Invalid", refused)
    return target


def _test(thing: Object) -> LoadTestFacts:
    meta = thing["metadata"]
    return LoadTestFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        spec=thing.get("spec") or {},
        status=thing.get("status") or {},
        created=meta.get("creationTimestamp") or "",
    )


def _facts(test: LoadTestFacts, target: Measurable | Problem, spec: LoadTestSpec | None, **known: Any) -> Facts:
    ttl = parse_duration(spec.ttl_after_finished) / 1000 if spec is not None else 3600.0
    return Facts(test, problem=target if isinstance(target, Problem) else None, ttl_after_finished=ttl, **known)


def _found(target: Measurable | Problem) -> Measurable | None:
    return target if isinstance(target, Measurable) else None


def _job(job: Object | None) -> JobFacts | None:
    if job is None:
        return None
    conditions = (job.get("status") or {}).get("conditions") or ()
    ended = [c for c in conditions if c.get("status") == "True" and c.get("type") in ("Complete", "Failed")]
    return JobFacts(
        name=job["metadata"]["name"],
        uid=job["metadata"]["uid"],
        finished_at=_unix(ended[0].get("lastTransitionTime")) if ended else None,
        ttl_seconds=job["spec"].get("ttlSecondsAfterFinished"),
        deleting=bool(job["metadata"].get("deletionTimestamp")),
    )


def _started(test: LoadTestFacts, runners: Sequence[RunnerFacts]) -> float | None:
    """The common start as a runner knows it, exact, or as the status has it, in whole seconds."""
    told = next((r.start_at for r in runners if r.start_at is not None), None)
    return told if told is not None else _unix(test.status.get("startTime"))


def _progress(moments: Sequence[Progress]) -> str:
    if not moments:
        return ""
    first, rps = moments[0], sum(moment.rps for moment in moments)
    return " ".join(word for word in (first.kind, first.stage, first.target, f"{rps:.0f}/s") if word)


def _unix(stamp: Any) -> float | None:
    return datetime.fromisoformat(str(stamp)).timestamp() if stamp else None
