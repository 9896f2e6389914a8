"""Does what was decided for a LoadTest, each action idempotent: a kill between any two leaves something that goes on. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from slipstream_api.envelope import Kind as EnvelopeKind
from slipstream_api.envelope import pod_audience, sign
from slipstream_loadtest.measured.part import digest, encode_part, find_parts
from slipstream_loadtest.plan.build import PlanRefused, build_plan
from slipstream_loadtest.plan.model import encode_plan
from slipstream_operator.delivery.client import Unreachable
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import AlreadyExists, NotFound
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, JOB, LOAD_TEST
from slipstream_operator.loadtests import decide as d
from slipstream_operator.loadtests import manifests, status
from slipstream_operator.loadtests.client import RunnerClient
from slipstream_operator.loadtests.facts import LoadTestFacts, RunnerFacts
from slipstream_operator.loadtests.gather import Gathered, Memory
from slipstream_operator.loadtests.outcome import Outcome, outcome, stored, with_status

log = logging.getLogger(__name__)
EXPIRY: Final = 60  # seconds that a command may travel
RUNNER_CONTAINER: Final = "runner"


class Applier:
    """One per process. `pod`: settings of runner pods without keys; `in_force`: policies of a pool, for the record."""

    def __init__(
        self,
        kube: Kube,
        client: RunnerClient,
        keys: KeyStore,
        cluster: str,
        image: str,
        wall: Callable[[], float],
        in_force: Callable[[str, str], list[dict[str, Any]]],
    ) -> None:
        self._kube, self._client, self._keys, self._cluster = kube, client, keys, cluster
        self._image, self._wall, self._in_force = image, wall, in_force
        self._sequence = 0

    async def apply(self, seen: Gathered, decision: d.Decision, memory: Memory) -> None:
        """The actions in their order, then the status where it says something new."""
        patch: Mapping[str, Any] | None = None
        for action in decision.actions:
            patch = await self._do(seen, action, memory) or patch
        await self._write(seen.facts.test, patch if patch is not None else self._meanwhile(seen, decision))

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
                await self._start(seen, action)
                return self._meanwhile(seen, d.Decision((), "Running"), started=action.at)
            case d.Abort():
                await self._tell(seen, action.runners, "Command", {"op": "Abort", "reason": "spec.suspend was set to true"})
            case d.Collect():
                await asyncio.gather(*(self._collect(test, runner, memory) for runner in action.runners))
            case d.Conclude():
                return await self._conclude(seen, action, memory)
            case d.Acknowledge():
                await asyncio.gather(*(self._acknowledge(runner) for runner in action.runners))
            case d.ExpireJob():
                await self._quiet(self._kube.patch(JOB, test.namespace, _name(test), {"spec": {"ttlSecondsAfterFinished": action.seconds}}))
            case d.RemoveJob():
                await self._quiet(self._kube.delete(JOB, test.namespace, _name(test)))
        return None

    # -- the run's beginning --

    def _begin(self, seen: Gathered, action: d.BeginRun) -> Mapping[str, Any]:
        assert seen.spec is not None
        policies = self._in_force(seen.facts.test.namespace, seen.target.pool) if seen.target and seen.target.pool else []
        return status.begun(seen.facts.test, action.run, action.key, seen.spec.runners.count, policies, self._now())

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
        await self._create(manifests.plan_config_map(test, test.run, encode_plan(plan).decode()))
        return None

    async def _create_job(self, seen: Gathered) -> None:
        test, spec = seen.facts.test, seen.spec
        if spec is None or seen.target is None:
            return
        routes, config_maps = seen.target.routes, seen.target.config_maps
        plan = seen.plan or build_plan(test.name, test.namespace, spec, routes, seed=test.run, config_maps=config_maps)
        pod = manifests.RunnerPod(self._image, self._cluster, self._keys.public())
        limit = int(plan.longest_ms / 1000 + d.DEFAULT_TIMINGS.start_timeout + 2 * d.DEFAULT_TIMINGS.grace) + 60
        try:
            await self._kube.create(JOB, manifests.job(test, test.run, plan.runners, limit, seen.target.workload, pod))
        except AlreadyExists:
            log.info("the Job of run %d of %s/%s is there already", test.run, test.namespace, test.name)

    # -- runners --

    async def _start(self, seen: Gathered, action: d.Start) -> None:
        await self._tell(seen, action.runners, "Start", {"startAt": action.at})

    async def _tell(self, seen: Gathered, runners: tuple[RunnerFacts, ...], kind: EnvelopeKind, payload: Mapping[str, Any]) -> None:
        """A signed word to each runner; who can't be reached is told again at the next look."""
        self._sequence = max(self._sequence + 1, int(self._wall() * 1000))

        async def one(runner: RunnerFacts) -> None:
            audience = pod_audience(self._cluster, seen.facts.test.namespace, runner.workload, runner.uid)
            key, expires = self._keys.signer(), int(self._wall()) + EXPIRY
            envelope = sign(
                key.private,
                key.id,
                kind=kind,
                audience=audience,
                sequence=self._sequence,
                payload=msgspec.json.encode(payload),
                expires=expires,
            ).encode()
            send = self._client.start if kind == "Start" else self._client.abort
            try:
                await send(runner.ip, envelope)
            except Unreachable as error:
                log.warning("runner %s: %s", runner.pod, error)

        await asyncio.gather(*(one(runner) for runner in runners))

    async def _collect(self, test: LoadTestFacts, runner: RunnerFacts, memory: Memory) -> None:
        """The part over HTTP while the runner serves it; from its log when it has ended; else it is lost."""
        if not runner.over:
            try:
                memory.parts[runner.index] = await self._client.part(runner.ip)
            except Unreachable as error:
                log.warning("runner %s: %s", runner.pod, error)
            return
        try:
            found = find_parts((await self._kube.logs(test.namespace, runner.pod, RUNNER_CONTAINER)).splitlines())
        except NotFound:
            found = find_parts(())
        if found.parts:
            memory.parts[runner.index] = encode_part(next(reversed(found.parts.values())))
        else:
            log.warning("runner %s ended without a part: %s", runner.pod, "; ".join(found.broken.values()) or "none in its log")
            memory.lost.add(runner.index)

    async def _acknowledge(self, runner: RunnerFacts) -> None:
        """Its part is safe; asked for anew, since a restart may have forgotten it."""
        if runner.phase not in ("Done", "Aborted"):
            return
        try:
            await self._client.acknowledge(runner.ip, digest(await self._client.part(runner.ip)))
        except Unreachable as error:
            log.info("runner %s: %s", runner.pod, error)

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
            made = outcome(seen.plan, f"{test.uid}/{test.run}", memory.parts.values(), action)
            await self._create(manifests.result_config_map(test, test.run, with_status(made), made.verdict.result == "Passed"))
        patch = status.concluded(test, made.verdict, made.figures, name, made.plan_hash, self._now())
        await self._prune(test, {record["result"] for record in patch["history"]})
        return patch

    async def _prune(self, test: LoadTestFacts, kept: set[str]) -> None:
        """Results and plans of runs that the history has let go."""
        for record in test.status.get("history") or ():
            if record.get("result") and record["result"] not in kept:
                for name in (record["result"], record["result"].removesuffix("-result") + "-plan"):
                    await self._quiet(self._kube.delete(CONFIG_MAP, test.namespace, name))

    # -- the status --

    def _meanwhile(self, seen: Gathered, decision: d.Decision, started: float | None = None) -> Mapping[str, Any]:
        test = seen.facts.test
        if decision.stage in ("Starting", "Running", "Concluding") and test.key and not test.status.get("completionTime"):
            ready = sum(1 for runner in seen.facts.runners if runner.phase == "Ready")
            start = _stamp(started) if started is not None else ""
            return status.going_on(test, decision, ready, seen.facts.wanted, seen.progress, start, self._now())
        return status.resting(test, decision, self._now())

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
        return _stamp(self._wall())


class Unplannable(Exception):  # noqa: N818 - names what is so
    """A run that was written down and can't be planned; the message says why."""


def _name(test: LoadTestFacts) -> str:
    return manifests.object_name(test.name, test.run)


def _stamp(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
