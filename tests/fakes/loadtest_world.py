"""LoadTests in virtual time: an API server in memory, runners as data, an operator that can be killed at any write. Nothing here waits."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipstream_api.conditions import find
from slipstream_loadtest.engine.progress import Ends, Progress
from slipstream_loadtest.measured.part import LIVE, Part, digest, encode_part, frame
from slipstream_loadtest.plan.model import Plan, decode_plan
from slipstream_loadtest.report.files import PLAN_FILE
from slipstream_operator.delivery.client import Unreachable
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import Temporary
from slipstream_operator.kube.kinds import CONFIG_MAP, JOB, LOAD_TEST, POD, SECRET, Kind
from slipstream_operator.loadtests.client import RunnerClient, RunnerState
from slipstream_operator.loadtests.controller import LoadTests
from slipstream_operator.names import SIGNING_KEYS_SECRET
from slipstream_operator.queue import Run
from tests.fakes.cluster import policies_of
from tests.fakes.fake_kube import FakeKube
from tests.fakes.loadtest_plans import a_part, a_series
from tests.fakes.loadtest_slices import times

NS = "default"
Measured = Callable[[Plan, Part], Part]


class Killed(Exception):  # noqa: N818 - names what is so
    """The operator's process ends here."""


@dataclass
class Runner:
    """One attempt of one index."""

    job: str
    run: str
    index: int
    uid: str
    ip: str
    plan: Plan
    ready_at: float
    start_at: float | None = None
    aborted: str = ""
    gone: bool = False  # killed, without a part
    acknowledged: bool = False
    latency_ms: float = 5.0
    measured: Measured = lambda plan, part: part

    def phase(self, now: float) -> str:
        if self.aborted:
            return "Aborted"
        if self.start_at is None:
            return "Ready" if now >= self.ready_at else "Preparing"
        return "Done" if now >= self.start_at + self.plan.duration_ms / 1000 else "Running"

    def moment(self, now: float) -> Progress:
        """What it says of itself while it runs: a hundred calls of the phase, and fifty that have ended in sum."""
        at = round((now - (self.start_at or now)) * 1000)
        number = max(n for n, phase in enumerate(self.plan.phases) if phase.start_ms <= at)
        phase = self.plan.phases[number]
        place = {"phases": len(self.plan.phases), "phase": number, "kind": phase.kind, "stage": phase.stage, "target": phase.target}
        figures = {"completed": 99, "failed": 1, "rps": 100.0 + now % 7, "latency": times([self.latency_ms] * 99).encode()}
        return Progress(held_ms=at - phase.start_ms, ends=Ends(50, 0, 0), **place, **figures)

    def part(self, aborted: str = "") -> bytes:
        held = [n for n, phase in enumerate(self.plan.phases) if phase.kind == "Hold"] if self.start_at is not None else []
        series = {n: a_series(self.plan, [self.latency_ms + at / 100 for at in range(50)]) for n in held}
        made = a_part(self.plan, series, index=self.index, run=self.run, attempt=self.uid, aborted=aborted or self.aborted)
        return encode_part(self.measured(self.plan, made))


@dataclass
class World(RunnerClient):
    """See the module. `now`: unix seconds; `cut`: after so many writes the operator dies; `latency_ms`, `measured`: of runners to come."""

    now: float
    kube: FakeKube = field(default_factory=FakeKube)
    runners: dict[str, Runner] = field(default_factory=dict)
    cut: int | None = None
    writes: int = 0
    latency_ms: float = 5.0
    measured: Measured = lambda plan, part: part
    injected: list[dict[str, Any]] = field(default_factory=list)  # containers that an injector adds to a runner's pod
    ready_after: float = 3.0
    unreachable: bool = False
    jobs_made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kube.seed(SECRET, {"metadata": {"namespace": "slipstream-system", "name": SIGNING_KEYS_SECRET}})
        self.kube.listeners.append(self._heard)
        self.kube.before = self._before
        self.caches = policies_of(self.kube)

    async def operator(self) -> LoadTests:
        """A new process."""
        keys = KeyStore(self.kube, "slipstream-system", "c1", lambda: self.now)
        await keys.refresh()
        self.tests = LoadTests(self.kube, self.caches, keys, "c1", "slipstream-runtime", client=self, wall=lambda: self.now)
        return self.tests

    # -- the API server, the kubelet --

    async def _before(self, method: str, kind: Kind, name: str) -> None:
        if kind is SECRET or name == "slipstream-public-keys":
            return
        if method in ("create", "patch", "patch_status", "delete"):
            if self.cut is not None and self.writes >= self.cut:
                raise Killed
            self.writes += 1

    def _heard(self, kind: Kind, what: str, obj: dict[str, Any]) -> None:
        if kind == JOB and what == "ADDED":
            self.jobs_made.append(obj["metadata"]["name"])
            for index in range(obj["spec"]["completions"]):
                self.pod(obj, index)
        if kind == JOB and what == "DELETED":
            for runner in [r for r in self.runners.values() if r.job == obj["metadata"]["name"]]:
                self._pod_gone(runner)

    def pod(self, job: dict[str, Any], index: int) -> None:
        """A pod of the Job, as its controller would make one."""
        number, name = len(self.runners) + 1, job["metadata"]["name"]
        container = job["spec"]["template"]["spec"]["containers"][0]
        run = next(e["value"] for e in container["env"] if e["name"] == "SLIPSTREAM_RUN")
        plan = decode_plan(self.kube.objects["configmaps", NS, f"{name}-plan"]["data"][PLAN_FILE])
        uid, ip = f"pod-{number}", f"10.0.{number // 250}.{number % 250}"
        self.runners[ip] = Runner(name, run, index, uid, ip, plan, self.now + self.ready_after)
        self.runners[ip].latency_ms, self.runners[ip].measured = self.latency_ms, self.measured
        labels = job["spec"]["template"]["metadata"]["labels"]
        meta = {"namespace": NS, "name": f"{name}-{number}", "uid": uid, "labels": labels, "creationTimestamp": stamp(self.now)}
        meta["annotations"] = {"batch.kubernetes.io/job-completion-index": str(index)}
        self.kube.seed(POD, {"metadata": meta, "spec": {"initContainers": self.injected}, "status": {"phase": "Running", "podIP": ip}})

    def kill(self, runner: Runner, *, quietly: bool = False) -> None:
        """SIGKILL; `quietly`: its pod goes too, as with a lost node. With retries left the Job makes another one."""
        runner.gone = True
        if quietly:
            self._pod_gone(runner)
        else:
            self._ended(runner, "Failed")
        job = self.kube.objects["jobs", NS, runner.job]
        if sum(1 for r in self.runners.values() if r.job == runner.job and r.index == runner.index) <= job["spec"]["backoffLimitPerIndex"]:
            self.pod(job, runner.index)

    def _name(self, runner: Runner) -> str:
        return f"{runner.job}-{runner.uid.removeprefix('pod-')}"

    def _pod_gone(self, runner: Runner) -> None:
        if ("pods", NS, self._name(runner)) in self.kube.objects:
            self.kube.remove(POD, NS, self._name(runner))

    def _ended(self, runner: Runner, phase: str) -> None:
        pod = self.kube.objects.get(("pods", NS, self._name(runner)))
        if pod is not None and pod["status"]["phase"] == "Running":
            if not runner.gone:
                self.kube.printed[NS, self._name(runner), "runner"] = "\n".join(frame(runner.part()))
            self.kube.seed(POD, {**pod, "status": {"phase": phase, "podIP": runner.ip}})

    def kubelet(self) -> None:
        """Pods end, Jobs finish and expire."""
        for runner in self.runners.values():
            if runner.acknowledged:
                self._ended(runner, "Succeeded")
        for (plural, _, name), job in list(self.kube.objects.items()):
            if plural != "jobs":
                continue
            pods = [p for (kind, _, n), p in self.kube.objects.items() if kind == "pods" and n.startswith(f"{name}-")]
            finished = (job.get("status") or {}).get("conditions")
            if not finished and pods and all(p["status"]["phase"] != "Running" for p in pods):
                condition = {"type": "Complete", "status": "True", "lastTransitionTime": stamp(self.now)}
                self.kube.seed(JOB, {**job, "status": {"conditions": [condition]}})
            ttl = job["spec"].get("ttlSecondsAfterFinished")
            if finished and ttl is not None and self.now >= unix(finished[0]["lastTransitionTime"]) + ttl:
                self.kube.remove(JOB, NS, name)

    # -- what runners answer --

    def _of(self, ip: str) -> Runner:
        runner = self.runners.get(ip)
        if runner is None or runner.gone or runner.acknowledged or self.unreachable:
            raise Unreachable(f"{ip} can't be reached")
        return runner

    async def state(self, ip: str) -> RunnerState:
        r = self._of(ip)
        phase: Any = r.phase(self.now)
        moment = r.moment(self.now) if phase == "Running" and r.start_at is not None and self.now > r.start_at else None
        return RunnerState(phase=phase, run=r.run, index=r.index, attempt=r.uid, start_at=r.start_at, progress=moment)

    async def start(self, ip: str, envelope: bytes) -> None:
        runner = self._of(ip)
        if runner.start_at is None and runner.phase(self.now) == "Ready":
            runner.start_at = _payload(envelope)["startAt"]

    async def abort(self, ip: str, envelope: bytes) -> None:
        runner = self._of(ip)
        runner.aborted = runner.aborted or _payload(envelope)["reason"]

    async def part(self, ip: str) -> bytes:
        return self._of(ip).part()

    async def so_far(self, ip: str) -> bytes | None:
        runner = self._of(ip)
        return runner.part(LIVE) if runner.phase(self.now) == "Running" else None

    async def acknowledge(self, ip: str, name: str) -> None:
        runner = self._of(ip)
        runner.acknowledged = name == digest(runner.part())

    async def close(self) -> None:
        return None

    # -- users --

    def apply(self, name: str = "recall", **changes: Any) -> None:
        spec: dict[str, Any] = {
            "target": {"url": "http://memory:8080"},
            "runners": {"count": 2},
            "stages": [{"name": "s", "users": 2, "duration": "10s"}],
            "scenarios": [{"name": "read", "steps": [{"name": "get", "http": {"path": "/things"}}]}],
        }
        meta = {"namespace": NS, "name": name, "creationTimestamp": stamp(self.now)}
        self.kube.seed(LOAD_TEST, {"metadata": meta, "spec": spec | changes})

    def status(self, name: str = "recall") -> Mapping[str, Any]:
        return self.kube.objects["loadtests", NS, name].get("status", {})

    def reason(self, name: str = "recall", type_: str = "Succeeded") -> str:
        return str((find(self.status(name).get("conditions") or (), type_) or {}).get("reason", ""))

    def message(self, name: str = "recall", type_: str = "Succeeded") -> str:
        return str((find(self.status(name).get("conditions") or (), type_) or {}).get("message", ""))

    def results(self) -> list[str]:
        return sorted(name for (kind, ns, name) in self.kube.objects if kind == "configmaps" and ns == NS and name.endswith("-result"))

    # -- time --

    async def look(self, *names: str, step: float = 1.0) -> None:
        """One look at each test, a second later; a killed operator comes back as a new process."""
        for name in names or ("recall",):
            try:
                await self.tests.look((NS, name), Run(0.0, 0))
            except Killed:
                self.cut = None
                await self.operator()
            except Temporary:
                pass
        self.now += step
        self.kubelet()

    async def until(self, done: Callable[[], object], *names: str, within: int = 200) -> None:
        for _ in range(within):
            if done():
                return
            await self.look(*names)
        raise AssertionError(f"not within {within} looks: {[dict(self.status(n)) for n in names or ('recall',)]}")

    async def sleep_until(self, when: float, name: str = "recall") -> None:
        """As the queue: looks when the operator asked for it, until a moment comes."""
        while self.now < when:
            again = await self.tests.look((NS, name), Run(0.0, 0))
            self.now = min(when, self.now + (again if again is not None else when - self.now) + 0.001)
            self.kubelet()


async def new_world(when: str = "2026-01-01T00:00:00Z") -> World:
    world = World(unix(when))
    RunnerClient.__init__(world)
    await world.operator()
    return world


def finished(world: World, run: int = 1, name: str = "recall") -> bool:
    status = world.status(name)
    return status.get("run") == run and bool(status.get("completionTime"))


def stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _payload(envelope: bytes) -> dict[str, Any]:
    body = json.loads(base64.b64decode(json.loads(envelope)["body"]))
    payload: dict[str, Any] = body["payload"]
    return payload


__all__ = ["CONFIG_MAP", "NS", "Runner", "World", "finished", "new_world", "stamp", "unix"]
