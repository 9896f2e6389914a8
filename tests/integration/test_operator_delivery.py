"""The operator over an API server in memory and sidecars on loopback: from a manifest to an acknowledgement, and back into a status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from slipstream_api.sidecar import CircuitState, PoolStatus, Refusal
from tests.fakes import policies as make
from tests.fakes.operator_world import NS, QUICK, World, eventually, new_world, settle


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with new_world() as made:
        yield made


@pytest.fixture
async def settled(world: World) -> World:
    await settle(world)
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
    before = settled.count("slipstream_operator_config_push_seconds_count")
    settled.cluster.put(make.cache(ttl="7m"))
    await eventually(settled.programmed)
    for sidecar in settled.sidecars.values():
        assert sidecar.config is not None
        assert sidecar.config.pools[0].cache_rules[0].ttl_ms == 420_000
    assert settled.count("slipstream_operator_config_push_seconds_count") == before + 2


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
    assert settled.count("slipstream_operator_config_nack_total") == 1
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


async def test_a_deleted_pool_leaves_pass_through_and_no_config_map(settled: World) -> None:
    """The pods are told; the policies that named it say so."""
    settled.cluster.remove(make.pool())
    await eventually(lambda: all(s.config is not None and s.config.pools == () for s in settled.sidecars.values()))
    await eventually(lambda: not settled.cluster.has("ConfigMap", NS, "slipstream-agent"))
    await eventually(lambda: settled.condition("CachePolicy", "memory", "ResolvedRefs")["reason"] == "TargetNotFound")


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
