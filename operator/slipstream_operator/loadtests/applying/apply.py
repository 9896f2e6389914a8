"""Does what was decided for a LoadTest, each action idempotent: a kill between any two leaves something that goes on. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from slipstream_loadtest.plan.build import PlanRefused, build_plan
from slipstream_loadtest.plan.model import encode_plan
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import AlreadyExists, Invalid, NotFound
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, JOB, LOAD_TEST
from slipstream_operator.loadtests.applying import manifests, status
from slipstream_operator.loadtests.applying.fitting import forms
from slipstream_operator.loadtests.applying.outcome import Besides, Outcome, cut, outcome, stored, unstored, with_status
from slipstream_operator.loadtests.applying.results import Results
from slipstream_operator.loadtests.applying.words import Words
from slipstream_operator.loadtests.asking.schedule import stamp
from slipstream_operator.loadtests.asking.turns import queue_of
from slipstream_operator.loadtests.client import RunnerClient
from slipstream_operator.loadtests.deciding import actions as d
from slipstream_operator.loadtests.facts import LoadTestFacts
from slipstream_operator.loadtests.gathering.around import terms
from slipstream_operator.loadtests.gathering.counters import CounterClient, Counters, difference
from slipstream_operator.loadtests.gathering.gather import Gathered, Memory
from slipstream_operator.loadtests.gathering.policies import changes, pool_of

log = logging.getLogger(__name__)
MAX_REFUSAL: Final = 200  # characters of an API server's refusal: it may quote the object


class Applier:
    """One per process. `in_force`: policies of a pool, None while unknown; `live_interval`: seconds between live figures in a status."""

    def __init__(
        self,
        kube: Kube,
        client: RunnerClient,
        keys: KeyStore,
        cluster: str,
        image: str,
        wall: Callable[[], float],
        in_force: Callable[[str, str], list[dict[str, Any]] | None],
        counters: CounterClient,
        live_interval: float,
    ) -> None:
        self._kube, self._keys, self._cluster, self._counters = kube, keys, cluster, counters
        self._image, self._wall, self._in_force, self._live_interval = image, wall, in_force, live_interval
        self._words, self._results = Words(kube, client, keys, cluster, wall), Results(kube)

    async def apply(self, seen: Gathered, decision: d.Decision, memory: Memory) -> None:
        """The actions in their order, then the status where it says something new."""
        patch: Mapping[str, Any] | None = None
        for action in decision.actions:
            patch = await self._do(seen, action, memory) or patch
        if patch is None:
            patch = {**self._meanwhile(seen, decision), **self._shown(seen, decision, memory)}
        await self._write(seen.facts.test, {**decision.note, **patch})

    async def _do(self, seen: Gathered, action: d.Action, memory: Memory) -> Mapping[str, Any] | None:
        """One action; the status patch that belongs to it, if it has one."""
        test = seen.facts.test
        match action:
            case d.BeginRun():
                return self._begin(seen, action)
            case d.StorePlan():
                return await self._store_plan(seen)
            case d.CreateJob():
                await self._create_job(seen)
            case d.Start():
                return await self._start(seen, action)
            case d.Abort():
                await self._words.abort(test, action.runners, action.because)
            case d.Collect():
                await asyncio.gather(*(self._words.collect(test, runner, memory) for runner in action.runners))
            case d.Conclude():
                return await self._conclude(seen, action, memory)
            case d.Acknowledge():
                await asyncio.gather(*(self._words.acknowledge(runner) for runner in action.runners))
            case d.ExpireJob():
                await self._quiet(self._kube.patch(JOB, test.namespace, _name(test), {"spec": {"ttlSecondsAfterFinished": action.seconds}}))
            case d.RemoveJob():
                await self._quiet(self._kube.delete(JOB, test.namespace, _name(test)))
        return None

    # -- the run's beginning --

    def _begin(self, seen: Gathered, action: d.BeginRun) -> Mapping[str, Any]:
        assert seen.spec is not None
        pool = seen.target.pool if seen.target else ""
        policies = (self._in_force(seen.facts.test.namespace, pool) if pool else []) or []
        return status.begun(seen.facts.test, action, seen.spec.runners.count, policies, queue_of(seen.facts.test.spec), self._now())

    async def _store_plan(self, seen: Gathered) -> Mapping[str, Any] | None:
        """The frozen plan. A spec that can't be planned ends its run at once, with the reason."""
        test = seen.facts.test
        if seen.spec is None or seen.target is None:  # the target went away after the run was written down
            problem = seen.facts.problem
            raise Unplannable(problem.message if problem else "the spec can't be read")
        try:
            routes, config_maps = seen.target.routes, seen.target.config_maps
            plan = build_plan(test.name, test.namespace, seen.spec, routes, seed=test.run, config_maps=config_maps)
        except PlanRefused as error:
            raise Unplannable(str(error)) from None
        held = msgspec.json.encode(terms(seen.spec)).decode()
        try:
            await self._create(manifests.plan_config_map(test, test.run, encode_plan(plan).decode(), held))
        except Invalid as error:
            raise Unplannable(f"the plan can't be stored: {str(error)[:MAX_REFUSAL]}") from None
        return None

    async def _create_job(self, seen: Gathered) -> None:
        test, spec = seen.facts.test, seen.spec
        if spec is None or seen.target is None:
            return
        routes, config_maps = seen.target.routes, seen.target.config_maps
        plan = seen.plan or build_plan(test.name, test.namespace, spec, routes, seed=test.run, config_maps=config_maps)
        pod = manifests.RunnerPod(self._image, self._cluster, self._keys.public())
        held, times = terms(spec), d.DEFAULT_TIMINGS
        limit = int(plan.longest_ms / 1000 + held.start_timeout + 2 * times.grace) + 60
        again = times.replacements if held.loss_policy == "Replace" else 0
        try:
            await self._kube.create(JOB, manifests.job(test, test.run, plan.runners, limit, seen.target.workload, pod, again))
        except Invalid as error:
            raise Unplannable(f"the Job is refused: {str(error)[:MAX_REFUSAL]}") from None
        except AlreadyExists:
            log.info("the Job of run %d of %s/%s is there already", test.run, test.namespace, test.name)

    async def _start(self, seen: Gathered, action: d.Start) -> Mapping[str, Any]:
        """The start; the policies that are measured, which may be others than when the run was asked for; and the counters of the sidecars
        before it: what they have counted until then isn't of this run."""
        before = await self._counters.read(r.ip for r in action.runners) if any(r.workload for r in action.runners) else None
        await self._words.start(seen.facts.test, action.runners, action.at)
        patch, known = dict(self._meanwhile(seen, d.Decision((), "Running"), started=action.at)), seen.facts.test.status
        if before is not None and not known.get("sidecars"):  # a start that is told again doesn't begin anew
            patch["sidecars"] = msgspec.to_builtins(before)
        pool = pool_of(known.get("policies") or ())
        if pool and not known.get("startTime") and (policies := self._in_force(seen.facts.test.namespace, pool)) is not None:
            patch["policies"] = policies
        return patch

    # -- the run's end --

    async def _conclude(self, seen: Gathered, action: d.Conclude, memory: Memory) -> Mapping[str, Any]:
        """Result first, status second: whoever finds the result without the status writes the same one."""
        test = seen.facts.test
        name = f"{_name(test)}-result"
        made: Outcome
        if seen.plan is None:
            return status.never_planned(test, action.message or action.cause, self._now())
        if seen.result:
            made = stored(seen.plan, seen.result)
        else:
            asked = test.spec.get("comparison") or {}
            baseline = await self._results.baseline(test, asked, seen.plan)
            unread = str((asked.get("resultRef") or {}).get("name")) if baseline is None and asked.get("baseline") == "Result" else ""
            run, heard = f"{test.uid}/{test.run}", memory.heard(seen.plan)
            besides = Besides(await self._records(seen), heard, self._changes(test), unread)
            made = outcome(seen.plan, run, memory.parts.values(), action, baseline, besides)
            made, kept = await self._store_result(test, made)
            name = name if kept else ""
        patch = status.concluded(test, made.verdict, made.figures, name, made.plan_hash, self._now(), action.unready)
        await self._results.prune(test, patch["history"])
        return patch

    async def _store_result(self, test: LoadTestFacts, made: Outcome) -> tuple[Outcome, bool]:
        """The result in the largest form that the API server takes, and whether it takes one. A refusal is for ever: a run that waited
        for it to be taken back would never end, and nor would those in line behind it."""
        refused, passed = "", made.verdict.result == "Passed"
        for form in forms(with_status(made), made.measured):
            try:
                await self._create(manifests.result_config_map(test, test.run, form.document, form.measured, passed))
            except Invalid as error:
                refused = str(error)[:MAX_REFUSAL]
                log.warning("the result of run %d of %s/%s is refused: %s", test.run, test.namespace, test.name, refused)
            else:
                return cut(made, form.lacks, refused) if form.lacks else made, True
        return unstored(made, refused), False

    def _changes(self, test: LoadTestFacts) -> list[str]:
        """How the policies that were measured at the end differ from those at the start; nothing of a run that never started."""
        before = test.status.get("policies") or ()
        pool = pool_of(before)
        after = self._in_force(test.namespace, pool) if pool and test.status.get("startTime") else None
        return changes(before, after) if after is not None else []

    async def _records(self, seen: Gathered) -> dict[str, Any]:
        """What is stored with a result, besides what was measured."""
        known = seen.facts.test.status
        records: dict[str, Any] = {"trigger": known.get("trigger", ""), "policies": known.get("policies") or []}
        after = await self._counters.read(r.ip for r in seen.facts.runners if r.ip and r.workload and not r.over)
        if after is not None:  # a sidecar that nobody asked before is as new as its pod
            before = msgspec.convert(known.get("sidecars") or {}, Counters)
            records["sidecars"] = msgspec.to_builtins({"before": before, "after": after, "difference": difference(before, after)})
        return records

    # -- the status --

    def _meanwhile(self, seen: Gathered, decision: d.Decision, started: float | None = None) -> Mapping[str, Any]:
        test = seen.facts.test
        if decision.stage in ("Starting", "Running", "Concluding") and test.key and not test.status.get("completionTime"):
            ready = sum(1 for runner in seen.facts.runners if runner.phase == "Ready")
            start = stamp(started) if started is not None else ""
            return status.going_on(test, decision, ready, seen.facts.wanted, start, self._now())
        return status.resting(test, decision, self._now())

    def _shown(self, seen: Gathered, decision: d.Decision, memory: Memory) -> dict[str, Any]:
        """Live figures, each few seconds: every write goes to everybody who watches."""
        now = self._wall()
        if decision.stage != "Running" or not seen.live.progress or now < memory.shown_at + self._live_interval:
            return {}
        memory.shown_at = now
        return {"progress": seen.live.progress[:64], "summary": seen.live.summary()}

    async def _write(self, test: LoadTestFacts, patch: Mapping[str, Any]) -> None:
        if status.differs(test.status, patch):
            guard = {"metadata": {"uid": test.uid}} if test.uid else {}
            await self._kube.patch_status(LOAD_TEST, test.namespace, test.name, guard | {"status": patch})

    # -- small --

    async def _create(self, manifest: Mapping[str, Any]) -> None:
        try:
            await self._kube.create(CONFIG_MAP, manifest)
        except AlreadyExists:
            log.info("%s is there already", manifest["metadata"]["name"])

    async def _quiet(self, call: Any) -> None:
        """What is gone already needs no removing."""
        try:
            await call
        except NotFound:
            return

    def _now(self) -> str:
        return stamp(self._wall())


class Unplannable(Exception):  # noqa: N818 - names what is so
    """A run that was written down and can't be planned; the message says why."""


def _name(test: LoadTestFacts) -> str:
    return manifests.object_name(test.name, test.run)
