"""What is there of one LoadTest, read fresh from the API server and asked of its runners. Decides nothing, changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from pydantic import ValidationError

from slipstream_api.models import ConnectionPoolSpec, LoadTestSpec
from slipstream_api.scalars import parse_duration
from slipstream_loadtest.engine.progress import Progress, known
from slipstream_loadtest.measured.result import Known
from slipstream_loadtest.plan.model import Plan, decode_plan
from slipstream_loadtest.report.files import PLAN_FILE, RESULT_FILE
from slipstream_operator.delivery.client import Unreachable
from slipstream_operator.errors import NotFound
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, JOB, LOAD_TEST, POD, Kind
from slipstream_operator.loadtests.applying.manifests import LABEL_RUN, LABEL_TEST, TERMS_FILE, object_name
from slipstream_operator.loadtests.asking.schedule import BadSchedule, check
from slipstream_operator.loadtests.asking.turns import InLine, in_line
from slipstream_operator.loadtests.client import RunnerClient, RunnerState
from slipstream_operator.loadtests.config_maps import resolved
from slipstream_operator.loadtests.facts import Facts, JobFacts, LoadTestFacts, Problem, RunnerFacts, Surroundings, Terms
from slipstream_operator.loadtests.gathering.around import Policies, surroundings, terms
from slipstream_operator.loadtests.gathering.live import NOTHING, Live, live
from slipstream_operator.loadtests.gathering.pods import oldest_first, runner_facts
from slipstream_operator.loadtests.gathering.refused import refused
from slipstream_operator.loadtests.plannable import refusal
from slipstream_operator.loadtests.target import Measurable, measurable


@dataclass(slots=True)
class Memory:
    """What the process keeps of one run; lost in a restart, and then asked for again. `parts`: index → encoded part."""

    run: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    abort_asked_at: float | None = None
    abort_because: str = ""
    unfinished: dict[int, bytes] = field(default_factory=dict)  # index → part of a run that lasts, as far as it goes
    said: dict[int, Progress] = field(default_factory=dict)  # index → what it said of itself last
    shown_at: float = 0.0  # unix seconds, of the last live figures in the status

    def heard(self, plan: Plan) -> list[Known]:
        """What each runner was last heard of."""
        return [one for index, last in self.said.items() if (one := known(plan, index, last)) is not None]

    def of_run(self, run: int) -> None:
        """Forgets another run."""
        if self.run != run:
            self.__init__(run=run)  # type: ignore[misc]  # all of it, whatever comes to be added


@dataclass(frozen=True, slots=True)
class Gathered:
    """Facts for `decide`, and what applying needs besides."""

    facts: Facts
    spec: LoadTestSpec | None
    target: Measurable | None
    plan: Plan | None = None
    result: str = ""  # the stored result, as JSON
    live: Live = NOTHING


class Gatherer:
    """One per process. `cluster_domain`: not empty when URLs outside of it are refused; `policies`: those on a pool; `wall`: unix s."""

    def __init__(self, kube: Kube, client: RunnerClient, cluster_domain: str, policies: Policies, wall: Callable[[], float]) -> None:
        self._kube, self._client, self._cluster_domain = kube, client, cluster_domain
        self._policies, self._wall = policies, wall

    async def gather(self, namespace: str, name: str, memory: Memory) -> Gathered | None:
        """Everything about a LoadTest; None when it is gone. Forgets another run's memory."""
        thing = await self._maybe(LOAD_TEST, namespace, name)
        if thing is None or thing["metadata"].get("deletionTimestamp"):
            return None
        test = _test(thing)
        memory.of_run(test.run)
        spec, target = await self._target(test)
        around = await surroundings(self._kube, namespace, spec, _found(target), self._policies)
        if not test.key:
            return Gathered(_facts(test, target, spec, around), spec, _found(target))
        return await self._of_run(test, spec, target, around, memory)

    async def others(self, test: LoadTestFacts) -> tuple[InLine, ...]:
        """Who runs or waits in the same queue, read anew."""
        return in_line(await self._kube.list(LOAD_TEST, test.namespace), test.name, test.spec)

    async def _of_run(
        self, test: LoadTestFacts, spec: LoadTestSpec | None, target: Measurable | Problem, around: Surroundings, memory: Memory
    ) -> Gathered:
        name = object_name(test.name, test.run)
        job, plan_map, result_map = await asyncio.gather(
            self._maybe(JOB, test.namespace, name),
            self._maybe(CONFIG_MAP, test.namespace, f"{name}-plan"),
            self._maybe(CONFIG_MAP, test.namespace, f"{name}-result"),
        )
        plan = decode_plan(plan_map["data"][PLAN_FILE].encode()) if plan_map is not None else None
        runners, states = await self._runners(test) if job is not None else ((), ())
        started = _started(test, runners)
        wanted = plan.runners if plan is not None else 1
        missing = job is not None and started is None and not set(range(wanted)) <= {r.index for r in runners}
        shown = await self._live(test, plan, runners, states, started, memory)
        frozen = (plan_map or {}).get("data", {}).get(TERMS_FILE)
        facts = _facts(
            test,
            target,
            spec,
            around,
            terms=msgspec.json.decode(frozen, type=Terms) if frozen else terms(spec) if spec is not None else Terms(),
            broken=shown.broken,
            job=_job(job, await refused(self._kube, job) if job is not None and missing else ""),
            plan_stored=plan is not None,
            result_stored=result_map is not None,
            runners=runners,
            wanted=wanted,
            duration=plan.longest_ms / 1000 if plan is not None else 0.0,
            started_at=started,
            begun_at=_unix(test.status.get("beginTime")),
        )
        stored = result_map["data"][RESULT_FILE] if result_map is not None else ""
        return Gathered(facts, spec, _found(target), plan, stored, shown)

    async def _live(
        self,
        test: LoadTestFacts,
        plan: Plan | None,
        runners: Sequence[RunnerFacts],
        states: Sequence[RunnerState],
        started: float | None,
        memory: Memory,
    ) -> Live:
        """Parts are asked for only where a bound may end the run: those of thousands of users are large."""
        now = self._wall()
        if plan is None or started is None or now < started or test.status.get("completionTime"):
            return Live()
        run = f"{test.uid}/{test.run}"
        memory.said |= {s.index: s.progress for s in states if s.progress is not None and s.run == run}
        if any(threshold.abort for threshold in plan.thresholds):
            going = [r for r in runners if r.phase == "Running"]
            parts = await asyncio.gather(*(self._so_far(runner) for runner in going))
            memory.unfinished |= {r.index: part for r, part in zip(going, parts, strict=True) if part is not None}
        moments = [s.progress for s in states if s.progress is not None and s.run == run]
        encoded = {**memory.unfinished, **memory.parts}.values()
        return live(plan, run, encoded, moments, round((now - started) * 1000))

    async def _so_far(self, runner: RunnerFacts) -> bytes | None:
        try:
            return await self._client.so_far(runner.ip)
        except Unreachable:
            return None

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
        target = await self._compared(test, spec, target)
        return spec, _plannable(test, spec, target)

    async def _compared(self, test: LoadTestFacts, spec: LoadTestSpec, target: Measurable | Problem) -> Measurable | Problem:
        """The target, unless the result that it is to be compared with isn't there."""
        asked = spec.comparison
        if isinstance(target, Problem) or asked.baseline != "Result" or asked.result_ref is None:
            return target
        if await self._maybe(CONFIG_MAP, test.namespace, asked.result_ref.name) is not None:
            return target
        message = f"spec.comparison.resultRef: there is no ConfigMap {asked.result_ref.name}: status.history names those there are"
        return Problem("ResolvedRefs", "BaselineNotFound", message)

    async def _maybe(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._kube.get(kind, namespace, name)
        except NotFound:
            return None


def _plannable(test: LoadTestFacts, spec: LoadTestSpec, target: Measurable | Problem) -> Measurable | Problem:
    """What no schema can say: bounds of the wrong unit, templates without data. Told before a run, not by one."""
    if isinstance(target, Measurable):
        try:
            if spec.schedule is not None:
                check(spec.schedule.cron, spec.schedule.time_zone)
        except BadSchedule as error:
            return Problem("Accepted", "Invalid", str(error))
        if refused := refusal(test.name, test.namespace, spec, target):
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


def _facts(test: LoadTestFacts, target: Measurable | Problem, spec: LoadTestSpec | None, around: Surroundings, **known: Any) -> Facts:
    ttl = parse_duration(spec.ttl_after_finished) / 1000 if spec is not None else 3600.0
    return Facts(test, problem=target if isinstance(target, Problem) else None, around=around, ttl_after_finished=ttl, **known)


def _found(target: Measurable | Problem) -> Measurable | None:
    return target if isinstance(target, Measurable) else None


def _job(job: Object | None, why_refused: str) -> JobFacts | None:
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
        refused=why_refused,
    )


def _started(test: LoadTestFacts, runners: Sequence[RunnerFacts]) -> float | None:
    """The common start as a runner knows it, exact, or as the status has it, in whole seconds."""
    told = next((r.start_at for r in runners if r.start_at is not None), None)
    return told if told is not None else _unix(test.status.get("startTime"))


def _unix(stamp: Any) -> float | None:
    return datetime.fromisoformat(str(stamp)).timestamp() if stamp else None
