"""The operator over an API server in memory and sidecars on loopback: from a manifest to an acknowledgement, and back into a status."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from slipstream_api.conditions import find
from slipstream_api.sidecar import CircuitState, PoolStatus, Refusal
from slipstream_operator.app import App
from slipstream_operator.kube.kinds import SECRET, Kind
from slipstream_operator.names import ANNOTATION_ROTATE, SIGNING_KEYS_SECRET, SYSTEM_NAMESPACE
from slipstream_operator.settings import Settings
from tests.fakes import policies as make
from tests.fakes.cluster import Cluster
from tests.fakes.sidecar import FakeSidecar

NS = make.NS
CLUSTER_ID = "c1"
QUICK = Settings(
    debounce=0.005,
    poll_interval=0.1,
    grace=60.0,
    resync=3600.0,
    push_timeout=2.0,
    figures_interval=0.3,
    key_activation=1e-6,
    key_retention=1e6,
)


class World:
    """A cluster, sidecars in it, and an operator that can be killed and started."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.sidecars: dict[str, FakeSidecar] = {}
        self.wall_offset = 0.0
        with socket.socket() as free:
            free.bind(("127.9.0.1", 0))
            self.port = free.getsockname()[1]
        self.app: App | None = None

    async def operator(self, settings: Settings = QUICK) -> App:
        """A fresh process: it knows nothing but what is in the cluster."""
        app = App(replace(settings, admin_port=self.port), self.cluster.kube, CLUSTER_ID, wall=lambda: time.time() + self.wall_offset)
        # With a debounce of its own for speed; the default is longer than a test.
        app.policy_queue.limits = replace(app.policy_queue.limits, debounce=0.02)
        self.cluster.run(app)
        self.app = app
        return app

    async def kill(self) -> None:
        app, self.app, self.cluster.app = self.app, None, None
        if app is not None:
            await app.stop()

    async def pod(self, name: str = "agent-1", *, workload: str = "agent", start: bool = True, **options: Any) -> FakeSidecar:
        """A pod with a sidecar that knows the operator's keys, as the injector would have told it."""
        sidecar = FakeSidecar(f"{CLUSTER_ID}/{NS}/{workload}", self.port)
        if self.cluster.has("ConfigMap", SYSTEM_NAMESPACE, "slipstream-public-keys"):
            sidecar.keys = json.loads(self.cluster.get("ConfigMap", SYSTEM_NAMESPACE, "slipstream-public-keys")["data"]["keys.json"])
        if start:
            await sidecar.start()
        self.sidecars[name] = sidecar
        self.cluster.put(make.pod(name, workload=workload, ip=sidecar.ip, **options))
        return sidecar

    async def close(self) -> None:
        await self.kill()
        for sidecar in self.sidecars.values():
            await sidecar.stop()

    def condition(self, kind: str, name: str, type_: str) -> Mapping[str, Any]:
        found = find(self.status(kind, name).get("conditions") or (), type_)
        return found or {"status": "", "reason": "", "message": ""}

    def status(self, kind: str, name: str) -> Mapping[str, Any]:
        return self.cluster.get(kind, NS, name).get("status") or {}

    def programmed(self, kind: str = "CachePolicy", name: str = "memory") -> bool:
        found = self.condition(kind, name, "Programmed")
        generation = self.cluster.get(kind, NS, name)["metadata"]["generation"]
        return (found["status"], found["reason"], found.get("observedGeneration")) == ("True", "Programmed", generation)

    def events(self) -> list[str]:
        return [obj["reason"] for (plural, *_), obj in self.cluster.kube.objects.items() if plural == "events"]


async def eventually(what: Callable[[], object], within: float = 8.0) -> None:
    """Until `what` is true; a deadline, not a duration."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not what():  # noqa: ASYNC110 - what is waited for is in another task, or process
                await asyncio.sleep(0.005)
    assert what()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


@pytest.fixture
async def settled(world: World) -> World:
    """A pool, a cache, a breaker, two pods, everything acknowledged."""
    await world.operator()
    await eventually(lambda: world.app is not None and world.app.keys.ready)
    await world.pod("agent-1")
    await world.pod("agent-2")
    for manifest in (make.pool(), make.cache(), make.breaker()):
        world.cluster.put(manifest)
    await eventually(
        lambda: all(world.condition(k, "memory", "Ready")["status"] == "True" for k in ("ConnectionPool", "CachePolicy", "CircuitBreaker"))
    )
    await eventually(lambda: world.status("CachePolicy", "memory")["summary"]["pods"] == "2/2")
    return world


async def test_a_policy_reaches_every_pod_and_the_status_says_so(settled: World) -> None:
    """Signed, verified by the sidecar, acknowledged, shown."""
    for sidecar in settled.sidecars.values():
        assert sidecar.config is not None
        assert [rule.name for rule in sidecar.config.pools[0].cache_rules] == ["recall"]
        assert sidecar.source == "Push"
    assert settled.programmed()
    stored = settled.cluster.get("ConfigMap", NS, "slipstream-agent")
    assert [o["kind"] for o in stored["metadata"]["ownerReferences"]] == ["ConnectionPool"]
    assert settled.status("CachePolicy", "memory")["summary"]["revision"] == settled.sidecars["agent-1"].revision[:12]
    assert {"PolicyAccepted", "ConfigProgrammed"} <= set(settled.events())


async def test_an_edit_is_in_force_on_every_pod_and_measured(settled: World) -> None:
    """From the change to the acknowledgement, per pod."""
    assert settled.app is not None
    before = _count(settled, "slipstream_operator_config_push_seconds_count")
    settled.cluster.put(make.cache(ttl="7m"))
    await eventually(settled.programmed)
    for sidecar in settled.sidecars.values():
        assert sidecar.config is not None
        assert sidecar.config.pools[0].cache_rules[0].ttl_ms == 420_000
    assert _count(settled, "slipstream_operator_config_push_seconds_count") == before + 2


async def test_nothing_is_written_while_nothing_changes(settled: World) -> None:
    """Polls, comparisons and full looks go on; the API server sees reads only, and pods no pushes."""
    assert settled.app is not None
    puts = [s.puts for s in settled.sidecars.values()]
    changes, calls = settled.cluster.kube.changes, len(settled.cluster.kube.writes())
    for _ in range(5):
        await settled.app._look_at_everything()  # what the resync does
        polls = settled.sidecars["agent-1"].polls
        await eventually(lambda polls=polls: settled.sidecars["agent-1"].polls >= polls + 2)  # type: ignore[misc]  # a default
    assert settled.cluster.kube.changes == changes
    assert len(settled.cluster.kube.writes()) == calls
    assert [s.puts for s in settled.sidecars.values()] == puts


async def test_a_restart_takes_everything_up_again_and_changes_nothing(settled: World) -> None:
    """Same envelope, same sequence; who has it isn't told twice; nothing is announced again."""
    changes, events = settled.cluster.kube.changes, settled.events()
    puts = [s.puts for s in settled.sidecars.values()]
    await settled.kill()
    app = await settled.operator()
    await eventually(lambda: all(app.courier.state(f"uid-of-{name}").revision for name in settled.sidecars))
    await eventually(lambda: len(app.workload_queue) == len(app.policy_queue) == 0 and not app.policy_queue.running)
    assert settled.cluster.kube.changes == changes
    assert [s.puts for s in settled.sidecars.values()] == puts
    assert settled.events() == events


async def test_a_change_while_the_operator_was_down_lands_at_its_start(settled: World) -> None:
    """Level, not edge."""
    await settled.kill()
    settled.cluster.put(make.cache(ttl="9m"))
    await settled.operator()
    await eventually(settled.programmed)
    assert all(s.config and s.config.pools[0].cache_rules[0].ttl_ms == 540_000 for s in settled.sidecars.values())


async def test_a_refused_configuration_is_told_in_the_sidecars_words_and_the_old_one_stays(settled: World) -> None:
    """Then an edit that it takes makes all well again."""
    sidecar = settled.sidecars["agent-2"]
    old = sidecar.revision
    sidecar.refuse = Refusal(reason="Invalid", message="$.pools[0].cacheRules[0].ttlMs: too long")
    settled.cluster.put(make.cache(ttl="8h"))
    await eventually(lambda: settled.condition("CachePolicy", "memory", "Programmed")["reason"] == "Rejected")
    found = settled.condition("CachePolicy", "memory", "Stalled")
    assert "ttlMs: too long" in found["message"]
    assert "agent-2" in found["message"]
    assert sidecar.revision == old
    assert settled.programmed("CircuitBreaker")  # its own generation was programmed before
    await eventually(lambda: "ConfigRejected" in settled.events())
    assert _count(settled, "slipstream_operator_config_nack_total") == 1
    sidecar.refuse = None
    settled.cluster.put(make.cache(ttl="2m"))
    await eventually(settled.programmed)
    assert settled.condition("CachePolicy", "memory", "Stalled")["status"] == ""


async def test_a_pod_that_cant_be_reached_is_named_until_it_can(settled: World) -> None:
    """Retried with back-off."""
    sidecar = settled.sidecars["agent-2"]
    await sidecar.stop()
    settled.cluster.put(make.cache(ttl="3m"))
    await eventually(lambda: settled.condition("CachePolicy", "memory", "Programmed")["reason"] == "PodsUnreachable")
    assert "agent-2" in settled.condition("CachePolicy", "memory", "Programmed")["message"]
    await eventually(lambda: settled.status("CachePolicy", "memory")["summary"]["pods"] == "1/2")
    await sidecar.start()
    await eventually(settled.programmed)


async def test_what_the_push_couldnt_bring_the_volume_does(settled: World) -> None:
    """After a reinstall pods don't know the key; refused pushes are no rejection, and /status shows what the file brought."""
    sidecar = settled.sidecars["agent-2"]
    sidecar.keys = {}
    settled.cluster.put(make.cache(ttl="4m"))
    await eventually(lambda: "UnknownKey" in settled.condition("CachePolicy", "memory", "Programmed")["message"])
    assert settled.condition("CachePolicy", "memory", "Programmed")["reason"] == "Progressing"
    sidecar.mount(settled.cluster.get("ConfigMap", NS, "slipstream-agent"))
    assert settled.app is not None
    settled.app.courier.queue.add((NS, "uid-of-agent-2"))  # its next look, without the wait
    await eventually(settled.programmed)
    assert settled.app.courier.state("uid-of-agent-2").via == "File"


def _drift(how: str, world: World) -> None:
    if how == "deleted":
        world.cluster.remove(world.cluster.get("ConfigMap", NS, "slipstream-agent"))
    else:
        world.cluster.put(
            {**world.cluster.get("ConfigMap", NS, "slipstream-agent"), "data": {"envelope.json": "forged", "keys.json": "{}"}}
        )


@pytest.mark.parametrize("how", ["deleted", "changed"])
async def test_a_config_map_that_somebody_touched_is_restored_and_told(settled: World, how: str) -> None:
    """The same envelope again: no pod notices."""
    good = settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]
    puts = [s.puts for s in settled.sidecars.values()]
    _drift(how, settled)
    await eventually(
        lambda: (
            settled.cluster.has("ConfigMap", NS, "slipstream-agent")
            and settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"] == good
        )
    )
    await eventually(lambda: "DriftCorrected" in settled.events())
    assert [s.puts for s in settled.sidecars.values()] == puts


async def test_a_deleted_pool_leaves_pass_through_and_no_config_map(settled: World) -> None:
    """The pods are told; the policies that named it say so."""
    settled.cluster.remove(make.pool())
    await eventually(lambda: all(s.config is not None and s.config.pools == () for s in settled.sidecars.values()))
    await eventually(lambda: not settled.cluster.has("ConfigMap", NS, "slipstream-agent"))
    await eventually(lambda: settled.condition("CachePolicy", "memory", "ResolvedRefs")["reason"] == "TargetNotFound")


async def test_a_pool_whose_deletion_nobody_heard_of_is_found_by_the_comparison(settled: World) -> None:
    """A watch was broken; the index still has it."""
    settled.cluster.remove(make.pool(), quietly=True)
    assert settled.app is not None
    assert settled.app.caches.pools_of(NS, "agent")
    await eventually(lambda: settled.app is not None and settled.app.caches.synced)
    settled.app.relisted()
    await eventually(lambda: all(s.config is not None and s.config.pools == () for s in settled.sidecars.values()))
    assert settled.app.caches.pools_of(NS, "agent") == ()
    assert _count(settled, "slipstream_operator_ghosts_total") == 1


async def test_a_pod_that_is_ahead_gets_a_higher_sequence(settled: World) -> None:
    """The clock was set back: without that, every push would be a replay to it."""
    sidecar = settled.sidecars["agent-2"]
    sidecar.sequence += 3_600_000
    settled.cluster.put(make.cache(ttl="6m"))
    await eventually(settled.programmed, within=10)
    assert sidecar.config is not None
    assert sidecar.config.pools[0].cache_rules[0].ttl_ms == 360_000


async def test_a_new_key_signs_everything_anew_and_no_pod_is_locked_out(settled: World) -> None:
    """Rotation: same revision, new signature, both keys known."""
    app = settled.app
    assert app is not None
    old = app.keys.signer().id
    data = settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]
    await settled.cluster.kube.patch(
        SECRET, SYSTEM_NAMESPACE, SIGNING_KEYS_SECRET, {"metadata": {"annotations": {ANNOTATION_ROTATE: "now"}}}
    )
    settled.wall_offset = 5.0
    app._keys.soon()
    await eventually(lambda: app.keys.signer().id != old)
    await eventually(lambda: settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]["envelope.json"] != data["envelope.json"])
    assert old in settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]["keys.json"]
    assert settled.condition("CachePolicy", "memory", "Ready")["status"] == "True"
    for sidecar in settled.sidecars.values():
        sidecar.mount(settled.cluster.get("ConfigMap", NS, "slipstream-agent"))
    settled.cluster.put(make.cache(ttl="11m"))
    await eventually(settled.programmed)


async def test_many_workloads_of_a_pool_are_one_write(world: World) -> None:
    """Twenty workloads, one policy: its status isn't written twenty times."""
    await world.operator(replace(QUICK, workers=8))
    names = tuple(f"w{n:02}" for n in range(16))
    world.cluster.put(make.pool(workloads=names))
    world.cluster.put(make.cache())
    await eventually(lambda: world.condition("CachePolicy", "memory", "Ready")["status"] == "True")
    await eventually(lambda: all(world.cluster.has("ConfigMap", NS, f"slipstream-{name}") for name in names))
    writes = [call for call in world.cluster.kube.writes() if call[:2] == ("patch_status", "CachePolicy")]
    assert len(writes) <= 3


async def test_a_runner_gets_its_configuration_and_never_counts(settled: World) -> None:
    """A load test through the layers needs them; no policy waits for it."""
    runner = await settled.pod("runner", labels={"slipstream.dev/role": "runner"})
    await eventually(lambda: runner.config is not None)
    assert settled.status("CachePolicy", "memory")["summary"]["pods"] == "2/2"


async def test_an_open_circuit_shows_soon_and_is_told_once(settled: World) -> None:
    """As is its closing."""
    sidecar = settled.sidecars["agent-1"]
    sidecar.pools = (PoolStatus(name="memory", circuits=(CircuitState(policy="memory", rule="default", state="Open"),)),)
    await eventually(lambda: settled.status("CircuitBreaker", "memory")["summary"].get("figure") == "Open 1/1", within=3)
    sidecar.pools = (PoolStatus(name="memory", circuits=(CircuitState(policy="memory", rule="default", state="Closed"),)),)
    await eventually(lambda: settled.status("CircuitBreaker", "memory")["summary"].get("figure") == "Closed", within=3)
    await eventually(lambda: [e for e in settled.events() if e.startswith("Breaker")] == ["BreakerOpened", "BreakerClosed"])


async def test_a_newcomer_is_brought_up_to_date_without_a_change(settled: World) -> None:
    """A pod that comes later, and one whose sidecar restarts without its volume."""
    newcomer = await settled.pod("agent-3")
    await eventually(lambda: newcomer.revision == settled.sidecars["agent-1"].revision)
    newcomer.restart()
    await eventually(lambda: newcomer.revision == settled.sidecars["agent-1"].revision)
    await eventually(lambda: settled.status("CachePolicy", "memory")["summary"]["pods"] == "3/3")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_at_any_write_of_an_edit_leaves_something_that_goes_on(when: str) -> None:
    """Before or after the n-th write reaches the API server: the next process ends where an undisturbed one does."""
    n = 0
    while True:
        n += 1
        world = World()
        try:
            await world.operator()
            await eventually(lambda: world.app is not None and world.app.keys.ready)  # noqa: B023 - awaited in this round
            await world.pod("agent-1")
            world.cluster.put(make.pool())
            struck = _strike(world, n, when)
            world.cluster.put(make.cache())
            await eventually(lambda: struck.is_set() or world.condition("CachePolicy", "memory", "Ready")["status"] == "True")  # noqa: B023
            if not struck.is_set():
                assert n > 3, "the edit takes at least a ConfigMap, two statuses and an Event"
                return
            await world.kill()
            world.cluster.kube.before = None
            await world.operator()
            await eventually(lambda: world.programmed() and world.condition("CachePolicy", "memory", "Ready")["status"] == "True")  # noqa: B023
            sidecar = world.sidecars["agent-1"]
            assert sidecar.config is not None
            assert [r.name for r in sidecar.config.pools[0].cache_rules] == ["recall"]
        finally:
            await world.close()


def _strike(world: World, n: int, when: str) -> asyncio.Event:
    """The n-th write from now on never returns: `after` it has been done, or `before`."""
    struck, left, kube = asyncio.Event(), n, world.cluster.kube

    async def before(method: str, kind: Kind, name: str) -> None:
        nonlocal left
        if method in ("get", "list"):
            return
        if struck.is_set():
            await asyncio.Event().wait()
        left -= 1
        if left == 0 and when == "before":
            struck.set()
            await asyncio.Event().wait()
        if left == 0:
            asyncio.get_running_loop().call_soon(struck.set)

    kube.before = before
    return struck


async def test_a_task_that_dies_ends_the_process(world: World) -> None:
    """A zombie with green probes is worse than a restart."""
    app = await world.operator()

    def broken() -> set[str]:
        raise RuntimeError("bug")

    app.workload_queue._take = broken  # type: ignore[method-assign, assignment]  # a bug in the queue itself
    world.cluster.put(make.pool())
    await asyncio.wait_for(app.stop_flag.wait(), 5)
    assert app.crashed is not None
    assert app.live["tasks"]()


async def test_stopping_in_the_middle_of_everything_leaves_no_task(settled: World) -> None:
    """Cancellation is a normal path."""
    settled.cluster.put(make.cache(ttl="13m"))
    await asyncio.sleep(0)
    app = settled.app
    assert app is not None
    await settled.kill()
    assert app.workload_queue.running == app.policy_queue.running == app.courier.queue.running == set()
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith(("workloads", "policies", "pods"))]


def _count(world: World, name: str) -> float:
    assert world.app is not None
    return sum(s.value for metric in world.app.metrics.registry.collect() for s in metric.samples if s.name == name)
