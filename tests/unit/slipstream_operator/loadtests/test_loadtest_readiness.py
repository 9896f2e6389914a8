"""Why runners aren't ready: every reason of RunnersReady from what the cluster says of pods and Jobs, and its words in the message."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api.conditions import LOADTEST_REASONS, Reason, Type, find
from slipstream_operator.errors import Forbidden
from slipstream_operator.kube.kinds import EVENT, JOB, LOAD_TEST, POD, Kind
from slipstream_operator.loadtests.gathering.refused import refused
from tests.fakes.fake_kube import FakeKube
from tests.fakes.loadtest_world import NS, World, finished, new_world, stamp

Pod = dict[str, Any]


def container(reason: str, message: str = "", state: str = "waiting", *, phase: str = "Pending", init: bool = False) -> Pod:
    name = "initContainerStatuses" if init else "containerStatuses"
    return {"phase": phase, name: [{"name": "c", "state": {state: {"reason": reason, "message": message}}}]}


def unscheduled(message: str, reason: str = "Unschedulable") -> Pod:
    return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]}


def running(since: str) -> Pod:
    return {"phase": "Running", "podIP": "10.9.9.9", "containerStatuses": [{"name": "c", "state": {"running": {"startedAt": since}}}]}


# What a pod's status says → the reason, and words of it that have to be in the message.
PODS: list[tuple[Pod, Reason, str]] = [
    ({"phase": "Pending"}, Reason.SCHEDULING, "0 of 1 runners are ready"),
    (container("ContainerCreating"), Reason.SCHEDULING, "0 of 1 runners are ready"),
    (container("ErrImagePull", "pull access denied"), Reason.IMAGE_PULL_FAILED, "(ErrImagePull: pull access denied)"),
    (container("ImagePullBackOff", "Back-off pulling image"), Reason.IMAGE_PULL_FAILED, "(ImagePullBackOff: Back-off"),
    (container("InvalidImageName"), Reason.IMAGE_PULL_FAILED, "(InvalidImageName)"),
    (container("ErrImagePull", init=True), Reason.IMAGE_PULL_FAILED, "(ErrImagePull)"),
    (container("CreateContainerConfigError", 'secret "x" not found'), Reason.CREATE_CONTAINER_FAILED, 'secret "x" not found'),
    (container("CreateContainerError"), Reason.CREATE_CONTAINER_FAILED, "(CreateContainerError)"),
    (container("StartError", state="terminated"), Reason.CREATE_CONTAINER_FAILED, "(StartError)"),
    (container("CrashLoopBackOff", "back-off 10s", init=True), Reason.CRASH_LOOP, "(CrashLoopBackOff: back-off 10s)"),
    (unscheduled("0/3 nodes are available: 3 Insufficient memory."), Reason.INSUFFICIENT_MEMORY, "3 Insufficient memory"),
    (unscheduled("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had taint."), Reason.INSUFFICIENT_CPU, "1 Insufficient cpu"),
    (unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity."), Reason.UNSCHEDULABLE, "node affinity"),
    (unscheduled("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"), Reason.UNSCHEDULABLE, "gates"),
    (running("2025-12-31T23:59:00Z"), Reason.RUNNER_UNREACHABLE, "runner 0 runs and doesn't answer"),
    (container("OOMKilled", state="terminated", phase="Failed"), Reason.OUT_OF_MEMORY, "runner 0 ended before the start (OOMKilled)"),
    ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, Reason.EVICTED, "(Evicted: low on memory)"),
    (container("Error", "no such pool", "terminated", phase="Failed"), Reason.RUNNER_ENDED, "(Error: no such pool)"),
]
QUOTA = 'Error creating: pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9'
SECURITY = 'Error creating: pods "a" is forbidden: violates PodSecurity "restricted:latest"'
ELSEWHERE = {Reason.READY, Reason.PENDING, Reason.PREPARING, Reason.QUOTA_EXCEEDED, Reason.PODS_REFUSED, Reason.SIDECAR_MISSING}


def said(world: World) -> tuple[str, str]:
    found = find(world.status()["conditions"], Type.RUNNERS_READY)
    assert found is not None
    return found["status"], found["reason"]


def message(world: World) -> str:
    return world.message(type_="RunnersReady")


async def waiting(status: Pod | None = None) -> World:
    """A run whose one pod never answers, with such a status."""
    world = await new_world()
    world.ready_after = 1e9
    world.apply(runners={"count": 1, "startTimeout": "30s"})
    await world.until(lambda: world.jobs_made)
    (key,) = [key for key in world.kube.objects if key[0] == "pods"]
    if status is not None:
        world.unreachable = True
        world.kube.seed(POD, {**world.kube.objects[key], "status": status})
    return world


def test_every_reason_is_here() -> None:
    """A reason without a row can't be trusted to be given."""
    assert {reason for _, reason, _ in PODS} | ELSEWHERE == LOADTEST_REASONS[Type.RUNNERS_READY]


@pytest.mark.parametrize(("status", "reason", "words"), PODS, ids=lambda value: str(value) if isinstance(value, Reason) else "")
async def test_what_a_pod_says_is_the_reason(status: Pod, reason: Reason, words: str) -> None:
    """While it is waited for, and after the run was given up."""
    world = await waiting(status)
    await world.look()
    assert said(world) == ("False", reason)
    assert words in message(world)
    await world.until(lambda: finished(world), within=40)
    assert said(world) == ("False", reason)
    assert words in world.message()


async def test_a_runner_that_has_just_started_may_be_silent_for_a_while() -> None:
    """Ten seconds; then it is told."""
    world = await waiting()
    (key,) = [key for key in world.kube.objects if key[0] == "pods"]
    world.unreachable = True
    world.kube.seed(POD, {**world.kube.objects[key], "status": running(stamp(world.now))})
    for _ in range(11):
        await world.look()
        assert said(world) == ("False", Reason.SCHEDULING)
    await world.look()
    assert said(world) == ("False", Reason.RUNNER_UNREACHABLE)


async def test_a_runner_that_prepares_and_then_is_ready() -> None:
    """Its sidecar or its target keeps it waiting; no word of that once it runs."""
    world = await waiting()
    await world.look()
    assert said(world) == ("False", Reason.PREPARING)
    (runner,) = world.runners.values()
    runner.ready_at = world.now
    await world.until(lambda: world.reason() == "Running")
    assert said(world) == ("True", Reason.READY)


async def test_a_run_that_waits_its_turn_says_so() -> None:
    """Nothing is known of runners that nobody has asked for yet."""
    world = await waiting()
    world.apply("other")
    await world.look("other")
    assert world.reason("other", "RunnersReady") == Reason.PENDING


async def test_a_pod_without_its_sidecar() -> None:
    """Of a workload behind the layers: the runner could only measure the way past them."""
    world = await waiting()
    (key,) = [key for key in world.kube.objects if key[0] == "pods"]
    pod = world.kube.objects[key]
    labels = {**pod["metadata"]["labels"], "slipstream.dev/workload": "agent"}
    world.unreachable = True
    world.kube.seed(POD, {**pod, "metadata": {**pod["metadata"], "labels": labels}})
    await world.look()
    assert said(world) == ("False", Reason.SIDECAR_MISSING)
    assert "is the injector there" in message(world)


@pytest.mark.parametrize(("words", "reason"), [(QUOTA, Reason.QUOTA_EXCEEDED), (SECURITY, Reason.PODS_REFUSED)])
async def test_pods_that_can_not_be_made(words: str, reason: Reason) -> None:
    """The Job's controller says why, in its latest event; once the pods are there its old words count no more."""
    world = await waiting()
    (key,) = [key for key in world.kube.objects if key[0] == "pods"]
    pod = world.kube.objects[key]
    world.kube.remove(POD, NS, key[2])
    await world.look()
    assert said(world) == ("False", Reason.SCHEDULING)
    job = next(job for (plural, _, _), job in world.kube.objects.items() if plural == "jobs")
    for name, what, when in (("a", "an earlier word", "2026-01-01T00:00:00Z"), ("b", words, "2026-01-01T00:00:09Z")):
        world.kube.seed(EVENT, event(name, job["metadata"]["uid"], what, when))
    world.kube.seed(EVENT, event("c", "another", "of another Job", "2027-01-01T00:00:00Z"))
    await world.look()
    assert said(world) == ("False", reason)
    assert f"({words})" in message(world)
    world.kube.seed(POD, pod)
    await world.look()
    assert said(world) == ("False", Reason.PREPARING)


def event(name: str, uid: str, words: str, when: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": NS, "name": name},
        "involvedObject": {"kind": "Job", "uid": uid},
        "reason": "FailedCreate",
        "message": words,
        "lastTimestamp": when,
    }


async def test_a_role_without_events_leaves_a_run_that_waits() -> None:
    """As an older installation has it."""
    kube = FakeKube()

    async def deny(method: str, kind: Kind, name: str) -> None:
        raise Forbidden("events is forbidden")

    kube.before = deny
    assert await refused(kube, {"kind": JOB.kind, "metadata": {"namespace": NS, "name": "j", "uid": "u"}}) == ""


async def test_the_one_that_is_stuck_is_told_before_those_that_take_their_time() -> None:
    """Runner 0 prepares, runner 1 has no image."""
    world = await new_world()
    world.ready_after = 1e9
    world.apply(runners={"count": 2})
    await world.until(lambda: world.jobs_made)
    key = sorted(key for key in world.kube.objects if key[0] == "pods")[1]
    stuck = next(r for r in world.runners.values() if r.index == 1)
    stuck.gone = True
    world.kube.seed(POD, {**world.kube.objects[key], "status": container("ErrImagePull")})
    await world.look()
    assert said(world) == ("False", Reason.IMAGE_PULL_FAILED)


async def test_a_run_that_is_suspended_before_its_start_never_had_its_runners() -> None:
    """The condition doesn't claim what never was."""
    world = await waiting(container("ErrImagePull"))
    await world.look()
    world.kube.seed(
        LOAD_TEST,
        {
            **world.kube.objects["loadtests", NS, "recall"],
            "spec": {**world.kube.objects["loadtests", NS, "recall"]["spec"], "suspend": True},
        },
    )
    await world.until(lambda: finished(world))
    assert said(world) == ("False", Reason.IMAGE_PULL_FAILED)
