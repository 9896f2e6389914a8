"""A fallback chain by cause over real sockets: the policy of the guide, as it stands there, with each of its causes made to happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slipstream_api.clock import ManualClock
from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.config import BreakerRule, Pool, RuntimeConfig, Upstream
from slipstream_api.load import to_resource
from tests.fakes.guides import example
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

PATH = b"/semantic/a"


def rule_of_the_guide() -> BreakerRule:
    """The rule `search`, compiled beside the pools that it names."""
    replica = example("resilience", "memory-replica")
    spec = {**replica["spec"], "upstream": {"protocol": "HTTP", "host": "a", "port": 1}}
    memory = {**replica, "metadata": {"name": "memory"}, "spec": spec}
    documents = (memory, replica, example("resilience", "memory-by-cause"))
    placed = [{**document, "metadata": {"namespace": "n", **document["metadata"]}} for document in documents]
    config = compile("n", "agent", [to_resource(document) for document in placed]).config
    (found,) = [rule for pool in config.pools if pool.name == "memory" for rule in pool.breaker_rules]
    return found


@asynccontextmanager
async def guided(port: int, other_port: int, clock: ManualClock) -> AsyncIterator[Proxied]:
    """A pool under the guide's rule, with a cached path, and its replica."""
    async with proxied(port, clock=clock) as proxy:
        cached = cache_rule(PATH.decode(), ttl_ms=1_000, stale_if_error_ms=600_000)
        own = proxy.config(breaker_rules=(rule_of_the_guide(),), cache_rules=(cached,))
        replica = Pool(name="memory-replica", upstream=Upstream(host="127.0.0.1", port=other_port))
        await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, replica), stores=own.stores), "Local")
        yield proxy


class Scripted:
    """An upstream that answers with `status`, or ends without an answer, or hangs until `gate`."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.status = b"200 OK"
        self.resets = False
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def __call__(self, connection: Connection) -> None:
        while True:
            await connection.request()
            self.asked.set()
            if self.gate is not None:
                await self.gate.wait()
            if self.resets:
                connection.reset()
                return
            connection.answer(self.text, status=self.status)


def told(found: Any) -> tuple[int, bytes]:
    return found.status, found.body


@on_uvloop
async def test_each_cause_has_the_step_that_the_guide_gives_it() -> None:
    """A trouble passes as it is, a lost connection goes to the replica, an open circuit is answered with what is stored."""
    clock, mine, other = ManualClock(), Scripted(b"mine"), Scripted(b"other")
    async with RawUpstream(mine) as up, RawUpstream(other) as replica, guided(up.port, replica.port, clock) as proxy:
        caller = await proxy.caller()
        assert told(await caller.ask(PATH)) == (200, b"mine")
        clock.advance(2)
        mine.status = b"503 Busy"
        assert told(await caller.ask(PATH)) == (503, b"mine")  # nothing stale for UpstreamStatus, though it is at hand
        mine.resets = True
        found = await caller.ask(PATH)
        assert (told(found), found.fields[b"x-slipstream-fallback"]) == ((200, b"other"), b"Upstream")
        await caller.ask(PATH)  # the third failure in a row
        assert proxy.service.circuits.all()[0].state(clock.now()) == "Open"
        found = await caller.ask(PATH)
        assert (told(found), b"detail=CircuitOpen" in found.fields[b"cache-status"]) == ((200, b"mine"), True)
        found = await caller.ask(b"/semantic/b")  # nothing is stored, and Upstream and Static are for other causes
        assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"CircuitOpen")
        assert b"x-slipstream-fallback" not in found.fields


@on_uvloop
async def test_one_call_too_many_gets_the_text_and_a_refused_connection_doesnt() -> None:
    """Overload and Connect, of a path that isn't cached."""
    clock, mine, other = ManualClock(), Scripted(b"mine"), Scripted(b"other")
    mine.gate = asyncio.Event()
    async with RawUpstream(mine) as up, RawUpstream(other) as replica, guided(up.port, replica.port, clock) as proxy:
        first, second = await proxy.caller(), await proxy.caller()
        first.get(b"/semantic/1")
        await mine.asked.wait()
        found = await second.ask(b"/semantic/2")
        assert (told(found), found.fields[b"retry-after"]) == ((503, b'{"busy":true}'), b"1")
        assert found.fields[b"x-slipstream-reason"] == b"TooManyCalls"
        mine.gate.set()
        assert told(await first.answer()) == (200, b"mine")
    async with RawUpstream(other) as replica, guided(free_port(), replica.port, clock) as proxy:
        assert told(await (await proxy.caller()).ask(b"/semantic/1")) == (200, b"other")


@on_uvloop
async def test_a_cause_without_a_step_gets_the_plain_answer() -> None:
    """A timeout: neither what is stored, nor the replica, nor the text."""
    clock, mine, other = ManualClock(), Scripted(b"mine"), Scripted(b"other")
    async with RawUpstream(mine) as up, RawUpstream(other) as replica, guided(up.port, replica.port, clock) as proxy:
        caller = await proxy.caller()
        assert told(await caller.ask(PATH)) == (200, b"mine")
        clock.advance(2)
        mine.gate, mine.asked = asyncio.Event(), asyncio.Event()
        caller.get(PATH)
        await mine.asked.wait()
        clock.advance(61)
        found = await caller.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"], replica.connections) == (504, b"RequestTimeout", 0)
