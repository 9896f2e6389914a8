"""The index of pools: lists, watches, and comes back from every way in which a watch ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from slipstream_operator.errors import NotFound, OperatorError, Temporary
from slipstream_operator.injector.pools import PoolIndex, read_pool
from slipstream_operator.injector.watching import LONGEST_DELAY, follow

pytestmark = pytest.mark.looptime


def a_manifest(name: str, namespace: str = "agents", version: str = "1", **spec: Any) -> dict[str, Any]:
    upstream = {"protocol": "HTTP", "host": f"{name}-server", "port": 8080}
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
        "spec": {"workloads": ["agent"], "upstream": upstream, "listen": {"intercept": "HostAlias"}, **spec},
    }


def event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": thing}


class LoopClock:
    def now(self) -> float:
        return asyncio.get_running_loop().time()


class Scripted:
    """A source whose lists and watches are given in advance: a list of events, an error, or `...` for one that stays open."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.listed: list[float] = []
        self.versions: list[str] = []

    async def list(self) -> tuple[list[dict[str, Any]], str]:
        self.listed.append(asyncio.get_running_loop().time())
        found = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, OperatorError):
            raise found
        return found, "10"

    async def watch(self, version: str) -> AsyncIterator[dict[str, Any]]:
        self.versions.append(version)
        found = self.watches.pop(0) if self.watches else ...
        for item in [found] if isinstance(found, OperatorError) else ([] if found is ... else found):
            if isinstance(item, OperatorError):
                raise item
            await asyncio.sleep(0.1)
            yield item
        if found is ...:
            await asyncio.sleep(10_000)


async def followed(source: Scripted, seconds: float, scope: str | None = None) -> tuple[PoolIndex, int]:
    """The index after so many (virtual) seconds, and how often it was in step."""
    index, synced = PoolIndex(), 0

    def count() -> None:
        nonlocal synced
        synced += 1

    task = asyncio.create_task(follow(source, index, scope, count, LoopClock()))
    await asyncio.sleep(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return index, synced


def names(index: PoolIndex, namespace: str = "agents") -> list[str]:
    return [pool.name for pool in index.of(namespace, "agent")]


async def test_a_list_fills_the_index() -> None:
    """By namespace and workload."""
    index, synced = await followed(Scripted([[a_manifest("b"), a_manifest("a"), a_manifest("c", "other")]], []), 1)
    assert names(index) == ["a", "b"]
    assert names(index, "other") == ["c"]
    assert index.of("agents", "nobody") == []
    assert synced == 1


async def test_events_keep_it_current() -> None:
    """Added, changed, deleted; a bookmark only moves the version."""
    changed = a_manifest("a", version="13", upstream={"protocol": "HTTP", "host": "new", "port": 1})
    events = [
        event("ADDED", a_manifest("b", version="11")),
        event("DELETED", a_manifest("b", version="12")),
        event("MODIFIED", changed),
        event("BOOKMARK", {"metadata": {"resourceVersion": "20"}}),
    ]
    source = Scripted([[a_manifest("a")]], [events, ...])
    index, _ = await followed(source, 5)
    assert [pool.host for pool in index.of("agents", "agent")] == ["new"]
    assert source.versions == ["10", "20"]


async def test_a_watch_that_ends_goes_on_from_where_it_was() -> None:
    """No new list, and no hammering where it ends at once."""
    source = Scripted([[a_manifest("a")]], [[] for _ in range(50)])
    await followed(source, 10)
    assert len(source.listed) == 1
    assert len(source.versions) <= 11


@pytest.mark.parametrize("end", [[event("ERROR", {"code": 410})], [Temporary("broken")], [Temporary("410 Gone")]])
async def test_what_happened_meanwhile_comes_with_a_new_list(end: list[Any]) -> None:
    """A pool that was deleted while nobody watched is gone after it."""
    source = Scripted([[a_manifest("a"), a_manifest("b")], [a_manifest("b")]], [end, ...])
    index, synced = await followed(source, 10)
    assert names(index) == ["b"]
    assert synced == 2


async def test_while_the_api_server_is_away_pools_stay_known() -> None:
    """Pods that are created just then are better off with what was known."""
    source = Scripted([[a_manifest("a")], Temporary("away")], [[Temporary("broken")]])
    index, _ = await followed(source, 100)
    assert names(index) == ["a"]


async def test_failures_are_tried_again_ever_more_slowly() -> None:
    """Up to half a minute; a kind that isn't installed yet is a failure like others."""
    source = Scripted([NotFound("no such kind")], [])
    await followed(source, 200)
    gaps = [later - earlier for earlier, later in zip(source.listed, source.listed[1:], strict=False)]
    assert gaps[:3] == [1, 2, 4]
    assert max(gaps) == LONGEST_DELAY


async def test_scopes_share_an_index() -> None:
    """A list of one namespace leaves the others alone."""
    index = PoolIndex()
    index.put(a_manifest("c", "other"))
    index.replace([a_manifest("a")], "agents")
    index.replace([a_manifest("b")], "agents")
    assert (names(index), names(index, "other")) == (["b"], ["c"])
    index.replace([a_manifest("d", "third")])
    assert len(index) == 1


@pytest.mark.parametrize("spec", [{"upstream": {}}, {"upstream": None}, {"workloads": None}, {"upstream": {"host": "h", "port": "x"}}])
async def test_an_odd_pool_is_left_out(spec: dict[str, Any]) -> None:
    """Of a later version, say; the one before it is not kept either."""
    assert read_pool(a_manifest("a", **spec)) is None
    index = PoolIndex()
    index.put(a_manifest("a"))
    index.put(a_manifest("a", **spec))
    assert len(index) == 0


async def test_a_pool_is_read_as_the_schema_has_it() -> None:
    """Defaults included: Environment, no further ports."""
    pool = read_pool(a_manifest("a", listen={"intercept": "HostAlias", "passthroughPorts": [9090]}))
    assert pool is not None
    assert (pool.host, pool.port, pool.alias, pool.passthrough) == ("a-server", 8080, True, (9090,))
    plain = read_pool(a_manifest("a", listen={}))
    assert plain is not None
    assert (plain.alias, plain.passthrough) == (False, ())
