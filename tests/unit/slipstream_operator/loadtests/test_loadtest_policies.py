"""Which policies a run measured, on a fake clock: recorded at the common start, compared at the end; a mixture is no measurement of any."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from slipstream_api.conditions import condition
from slipstream_operator.kube.kinds import BY_NAME, CACHE_POLICY
from slipstream_operator.loadtests.gathering.counters import CounterClient
from slipstream_operator.loadtests.gathering.policies import changes
from slipstream_operator.names import SIDECAR_CONTAINER
from tests.fakes.loadtest_world import NS, World, finished, new_world
from tests.fakes.policies import breaker, cache, pool

COMPARED = {"baseline": "LastPassed", "repeats": 6, "gate": "Enforce"}


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A pool with a cache and a breaker in force; its sidecars don't count."""

    async def nothing(self: CounterClient, ips: Any) -> None:
        return None

    monkeypatch.setattr(CounterClient, "read", nothing)
    made = await new_world()
    made.injected = [{"name": SIDECAR_CONTAINER}]
    for manifest in (pool(), cache(), breaker()):
        put(made, manifest)
    return made


def put(world: World, manifest: Mapping[str, Any], **not_true: str) -> None:
    """A policy that is in force, but for conditions that are named with their reason: `Enforced="Disabled"`."""
    kind, meta = BY_NAME[manifest["kind"]], {**manifest["metadata"], "namespace": NS}
    made = world.kube.seed(kind, {**manifest, "metadata": meta})
    said = [(t, not_true.get(t, t), made["metadata"]["generation"]) for t in ("Accepted", "Enforced", "Programmed")]
    conditions = [condition(t, "True" if r == t else "False", r, "", g) for t, r, g in said]
    world.kube.seed(kind, {**manifest, "metadata": meta, "status": {"conditions": conditions}})


async def running(world: World, run: int = 1, **spec: Any) -> None:
    world.apply(target={"poolRef": {"name": "memory"}}, rerun=str(run), **spec)
    await world.until(lambda: world.status().get("run") == run and world.reason() == "Running")


def recorded(world: World) -> dict[str, tuple[int, str]]:
    return {p["kind"]: (p["generation"], p["state"]) for p in world.status()["policies"]}


async def test_each_policy_is_recorded_with_what_it_does(world: World) -> None:
    """Not every policy that names the pool is in force; the result says which."""
    put(world, cache("second"), Accepted="Conflicted")
    put(world, breaker(mode="Disabled"), Enforced="Disabled")
    await running(world)
    await world.until(lambda: finished(world))
    assert world.reason() == "Passed"
    found = {(p["kind"], p["name"]): p["state"] for p in world.status()["policies"]}
    assert found == {
        ("ConnectionPool", "memory"): "Enforced",
        ("CachePolicy", "memory"): "Enforced",
        ("CachePolicy", "second"): "Conflicted",
        ("CircuitBreaker", "memory"): "Disabled",
    }
    document = json.loads(world.kube.objects["configmaps", NS, world.results()[0]]["data"]["result.json"])
    assert document["policies"] == world.status()["policies"]


async def test_an_edit_before_the_common_start_is_what_is_measured(world: World) -> None:
    """Between asking for a run and its start images are pulled: the record is of the start, and nothing is mixed."""
    world.apply(target={"poolRef": {"name": "memory"}})
    await world.until(lambda: world.status().get("run") == 1)
    assert recorded(world)["CachePolicy"] == (1, "Enforced")
    put(world, cache(ttl="9m"))
    await world.until(lambda: finished(world))
    assert (world.reason(), recorded(world)["CachePolicy"]) == ("Passed", (2, "Enforced"))


def edited(world: World) -> None:
    put(world, cache(ttl="9m"))


def edited_and_back(world: World) -> None:
    edited(world)
    put(world, cache())


def came(world: World) -> None:
    put(world, cache("second", rules=("other",)))


def went(world: World) -> None:
    world.kube.remove(CACHE_POLICY, NS, "memory")


def overtaken(world: World) -> None:
    put(world, cache(), Enforced="Shadowed")


def edited_pool(world: World) -> None:
    put(world, pool(host="other"))


CHANGES = [
    (edited, "CachePolicy memory was of generation 1, is of 2"),
    (edited_and_back, "CachePolicy memory was of generation 1, is of 3"),
    (came, "CachePolicy second is new"),
    (went, "CachePolicy memory is gone"),
    (overtaken, "CachePolicy memory was Enforced, is Shadowed"),
    (edited_pool, "ConnectionPool memory was of generation 1, is of 2"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_run_whose_policies_changed_measured_a_mixture(
    world: World, change: Callable[[World], None], words: str, restarted: bool
) -> None:
    """Inconclusive, with what changed; also by an operator that wasn't there when it began."""
    await running(world)
    change(world)
    if restarted:
        await world.operator()
    await world.until(lambda: finished(world))
    assert world.reason() == "Inconclusive"
    assert world.message().startswith(f"PoliciesChanged: it measured more than one set of policies: {words}")
    assert world.status()["reasons"][0] == world.status()["history"][0]["code"] == "PoliciesChanged"
    assert recorded(world)["CachePolicy"] == (1, "Enforced")


async def test_a_mixture_is_not_compared_and_no_later_run_with_it(world: World) -> None:
    """Neither a regression nor an improvement is said of it, and the next run's baseline is the one before."""
    await running(world, comparison=COMPARED)
    await world.until(lambda: finished(world))
    world.latency_ms = 50.0
    await running(world, 2, comparison=COMPARED)
    edited(world)
    await world.until(lambda: finished(world, 2))
    assert world.status()["reasons"] == ["PoliciesChanged"]
    assert (world.status().get("comparison"), world.status()["summary"].get("delta")) == (None, None)
    world.latency_ms = 5.0
    await running(world, 3, comparison=COMPARED)
    await world.until(lambda: finished(world, 3))
    assert (world.reason(), world.status()["comparison"][0]["result"]) == ("Passed", "NoChange")


async def test_a_mixture_that_is_named_as_a_baseline_takes_the_pass_away(world: World) -> None:
    """With gate Enforce; with Report it is said. Without a change in between the same name is a baseline."""
    await running(world, comparison=COMPARED)
    edited(world)
    await world.until(lambda: finished(world))
    named = {"baseline": "Result", "resultRef": {"name": world.results()[0]}, "repeats": 6}
    await running(world, 2, comparison=named | {"gate": "Enforce"})
    await world.until(lambda: finished(world, 2))
    assert (world.reason(), world.status()["reasons"][0]) == ("Inconclusive", "BaselineUnlike")
    assert "measured while policies changed" in world.message()
    await running(world, 3, comparison=named)
    await world.until(lambda: finished(world, 3))
    assert (world.reason(), world.status()["reasons"]) == ("Passed", ["Passed", "BaselineUnlike"])


@pytest.mark.parametrize("synced", [False, True])
async def test_what_comes_and_goes_with_pods_or_is_not_known_is_no_change(world: World, synced: bool) -> None:
    """The control: a runner's own sidecar that isn't programmed yet, and an operator whose caches aren't filled yet."""
    await running(world)
    if synced:
        put(world, cache(), Programmed="Progressing")
    else:
        world.caches.synced = False
        edited(world)
    await world.until(lambda: finished(world))
    assert world.reason() == "Passed"


async def test_a_run_that_never_started_measured_no_mixture(world: World) -> None:
    """It says why it didn't start, and that alone."""
    world.ready_after = 1e6
    world.apply(target={"poolRef": {"name": "memory"}})
    await world.until(lambda: world.status().get("run") == 1)
    edited(world)
    await world.until(lambda: finished(world))
    assert "PoliciesChanged" not in world.status()["reasons"]


def test_records_of_an_earlier_release_have_no_state() -> None:
    """They are compared by what they have."""
    old = [{"kind": "CachePolicy", "name": "a", "generation": 1, "hash": "0"}]
    assert changes(old, [{**old[0], "state": "Disabled"}]) == []
    assert changes(old, [{**old[0], "generation": 2, "state": "Disabled"}]) == ["CachePolicy a was of generation 1, is of 2"]
