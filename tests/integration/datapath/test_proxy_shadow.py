"""Shadow: what a cache would have done is counted, and nothing of any answer changes."""

from __future__ import annotations

from slipstream_api.clock import ManualClock
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, invalidation, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.integration.datapath.test_proxy_cache import status_of
from tests.integration.datapath.test_proxy_revalidation import Origin

SHADOW = cache_rule(mode="Shadow")


async def personal(connection: Connection) -> None:
    """Says who asks, though the rule takes its answers for everyone's."""
    while True:
        head = await connection.head()
        connection.answer(head.split(b"X-Api-Key: ")[1].split(b"\r\n")[0], b"Cache-Control: public\r\n")


@on_uvloop
async def test_shadow_says_what_would_have_been_stale() -> None:
    """The same caller saw another body within the rule's time; after it there is nothing to compare."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(SHADOW,)) as proxy:
        caller = await proxy.caller()
        counters = proxy.service.cache.counters("p")
        await caller.ask(b"/c")
        await caller.ask(b"/c")
        assert (counters.hits, counters.misses, counters.would_stale) == (1, 1, 0)
        origin.version = b"b"
        found = [await caller.ask(b"/c") for _ in range(2)]
        assert [(answer.body, status_of(answer)) for answer in found] == [(b"b", b"slipstream; fwd=bypass; detail=shadow")] * 2
        assert (counters.hits, counters.would_stale, counters.would_leak) == (3, 2, 0)
        clock.advance(61)
        await caller.ask(b"/c")
        assert (counters.misses, counters.would_stale) == (2, 2)


@on_uvloop
async def test_shadow_says_what_would_have_leaked() -> None:
    """A Shared rule over answers that differ by caller."""
    async with RawUpstream(personal) as up, proxied(up.port, cache=(SHADOW,)) as proxy:
        caller = await proxy.caller()
        for key in (b"one", b"one", b"two"):
            assert (await caller.ask(b"/c", b"X-Api-Key: %b\r\n" % key)).body == key
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.would_stale, counters.would_leak) == (2, 0, 1)


@on_uvloop
async def test_a_write_in_between_is_no_staleness() -> None:
    """Negative control: with an invalidation that names the write, nothing would have been stale."""
    origin = Origin()
    async with RawUpstream(origin) as up, proxied(up.port, cache=(SHADOW,), invalidations=(invalidation(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        caller.send(b"POST /w HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n\r\n")
        await caller.answer()
        origin.version = b"b"
        await caller.ask(b"/c")
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.misses, counters.would_stale) == (0, 2, 0)


@on_uvloop
async def test_shadow_sends_no_conditions_and_coalesces_nothing() -> None:
    """Past its time too: the upstream sees what it would see without a cache."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(SHADOW,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        await caller.ask(b"/c")
        caller.get(b"/c", method=b"HEAD")
        await caller.answer(b"HEAD")
        assert origin.conditions == [b"", b"", b""]
