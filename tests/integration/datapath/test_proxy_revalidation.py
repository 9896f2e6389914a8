"""Conditions: what is past its time is asked about, what the caller has already isn't sent again, HEAD is answered from a stored GET."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.integration.datapath.test_proxy_cache import settled, status_of, waiting

TAG = b'ETag: "a"\r\n'


class Origin:
    """Answers 304 to whoever has the present version; remembers the heads that it saw."""

    def __init__(self, extra: bytes = b"", validates: bool = True) -> None:
        self.version = b"a"
        self.extra = extra
        self.validates = validates
        self.seen: list[bytes] = []
        self.gate: asyncio.Event | None = None
        self.status = b""

    @property
    def conditions(self) -> list[bytes]:
        return [head.split(b"If-None-Match: ")[1].split(b"\r\n")[0] if b"If-None-Match: " in head else b"" for head in self.seen]

    async def __call__(self, connection: Connection) -> None:
        while True:
            head = await connection.head()
            self.seen.append(head)
            if self.gate is not None:
                await self.gate.wait()
            extra = b'ETag: "%b"\r\n%b' % (self.version, self.extra)
            if self.status:
                connection.answer(b"trouble", status=self.status)
            elif self.validates and b'If-None-Match: "%b"' % self.version in head:
                connection.send(b"HTTP/1.1 304 Not Modified\r\n%b\r\n" % extra)
            elif head.startswith(b"HEAD"):
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n%b\r\n" % extra)
            else:
                connection.answer(self.version, extra)


@on_uvloop
async def test_what_is_past_its_time_is_asked_about_and_lives_on() -> None:
    """One 304 later it is fresh again, with the fields that the 304 brought; a new version takes its place."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.extra = b"X-Round: 2\r\n"
        found = await caller.ask(b"/c")
        assert (found.status, found.body, found.fields[b"x-round"]) == (200, b"a", b"2")
        assert status_of(found) == b"slipstream; fwd=stale; fwd-status=304; stored"
        hit = await caller.ask(b"/c")
        assert (status_of(hit), hit.fields[b"x-round"], hit.body) == (b"slipstream; hit; ttl=60", b"2", b"a")
        clock.advance(61)
        origin.version = b"b"
        found = await caller.ask(b"/c")
        assert (found.body, status_of(found)) == (b"b", b"slipstream; fwd=stale; stored")
        assert (await caller.ask(b"/c")).body == b"b"
        assert origin.conditions == [b"", b'"a"', b'"a"']
        assert proxy.service.cache.counters("p").revalidated == 1


@on_uvloop
async def test_no_cache_asks_about_a_fresh_answer() -> None:
    """RFC 9111 §5.2.1.4: it isn't used without the upstream's word."""
    origin = Origin()
    async with RawUpstream(origin) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        found = await caller.ask(b"/c", b"Cache-Control: no-cache\r\n")
        assert (found.body, status_of(found)) == (b"a", b"slipstream; fwd=request; fwd-status=304; stored")
        assert origin.conditions == [b"", b'"a"']


@on_uvloop
async def test_a_herd_on_an_expired_key_asks_once() -> None:
    """All who wait share the one 304."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        callers = [await proxy.caller() for _ in range(20)]
        await callers[0].ask(b"/c")
        clock.advance(61)
        origin.gate = asyncio.Event()
        for caller in callers:
            caller.get(b"/c")
        await waiting(proxy, 20)
        origin.gate.set()
        found = [await caller.answer() for caller in callers]
        assert {answer.body for answer in found} == {b"a"}
        assert origin.conditions == [b"", b'"a"']
        assert [status_of(answer).endswith(b"collapsed") for answer in found].count(True) == 19


@on_uvloop
async def test_a_304_about_something_else_is_no_answer() -> None:
    """It names another entity tag: the upstream is asked again, without conditions."""
    clock, origin = ManualClock(), Origin()

    async def confused(connection: Connection) -> None:
        while True:
            head = await connection.head()
            origin.seen.append(head)
            if b"If-None-Match" in head:
                connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "other"\r\n\r\n')
            else:
                connection.answer(b"v%d" % len(origin.seen), TAG)

    async with RawUpstream(confused) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        assert (await caller.ask(b"/c")).body == b"v3"
        assert origin.conditions == [b"", b'"a"', b""]
        assert (proxy.core.in_use, len(proxy.service.flights), len(proxy.service.state.tracker)) == (0, 0, 0)


@on_uvloop
async def test_a_304_that_forbids_storing_ends_the_stored_answer() -> None:
    """Its caller still gets the confirmed answer."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.extra = b"Cache-Control: no-store\r\n"
        found = await caller.ask(b"/c")
        assert (found.body, status_of(found)) == (b"a", b"slipstream; fwd=stale; fwd-status=304; detail=no-store")
        assert len(proxy.service.stores["s"]) == 0


@on_uvloop
async def test_a_write_during_a_revalidation_keeps_it_from_being_stored() -> None:
    """The 304 was about what was there before the write."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.gate = asyncio.Event()
        caller.get(b"/c")
        await waiting(proxy, 1)
        await settled()
        proxy.service.cache.generations.bump_tags(("t",))
        origin.gate.set()
        found = await caller.answer()
        assert (found.body, status_of(found)) == (b"a", b"slipstream; fwd=stale; fwd-status=304; detail=invalidated")
        origin.gate = None
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"


@on_uvloop
async def test_the_caller_has_it_already() -> None:
    """304 from the store, fresh or just confirmed; the whole where it has another one."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        same, other = b'If-None-Match: "x", W/"a"\r\n', b'If-None-Match: "x"\r\n'
        found = await caller.ask(b"/c", same)
        assert (found.status, found.body, found.fields[b"etag"], found.fields[b"age"]) == (304, b"", b'"a"', b"0")
        assert (await caller.ask(b"/c", other)).body == b"a"
        clock.advance(61)
        found = await caller.ask(b"/c", same)
        assert (found.status, status_of(found)) == (304, b"slipstream; fwd=stale; fwd-status=304; stored")
        assert origin.conditions == [b"", b'"a"']  # the cache's own, not the caller's
        assert (await caller.ask(b"/c")).body == b"a"


@on_uvloop
async def test_a_conditional_request_for_nothing_stored_goes_as_it_came() -> None:
    """The upstream's 304 is the caller's alone; its 200 may be stored."""
    origin = Origin()
    async with RawUpstream(origin) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        found = await caller.ask(b"/c", b'If-None-Match: "a"\r\n')
        assert (found.status, len(proxy.service.stores["s"])) == (304, 0)
        found = await caller.ask(b"/c", b'If-None-Match: "x"\r\n')
        assert (found.body, status_of(found)) == (b"a", b"slipstream; fwd=uri-miss; stored")
        assert (await caller.ask(b"/c")).body == b"a"
        assert origin.conditions == [b'"a"', b'"x"']


@on_uvloop
async def test_head_is_answered_from_a_stored_get() -> None:
    """With its fields and no body; without one it goes to the upstream and stores nothing."""
    origin = Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=ManualClock(), cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.get(b"/c", method=b"HEAD")
        found = await caller.answer(b"HEAD")
        assert (found.status, status_of(found)) == (200, b"slipstream; fwd=uri-miss")
        assert len(proxy.service.stores["s"]) == 0
        await caller.ask(b"/c")
        caller.get(b"/c", method=b"HEAD")
        found = await caller.answer(b"HEAD")
        assert (found.status, found.fields[b"content-length"], status_of(found)) == (200, b"1", b"slipstream; hit; ttl=60")
        assert (await caller.ask(b"/c")).body == b"a"  # nothing of a body was sent
        assert len(origin.seen) == 2


@on_uvloop
@pytest.mark.parametrize("condition", [b"If-Match: x\r\n", b"If-Unmodified-Since: x\r\n", b"Range: bytes=0-0\r\n"])
async def test_what_only_the_upstream_can_answer_goes_to_it(condition: bytes) -> None:
    """RFC 9111 §4.3.2: though a fresh answer is stored."""
    origin = Origin()
    async with RawUpstream(origin) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        assert status_of(await caller.ask(b"/c", condition)).startswith(b"slipstream; fwd=bypass; detail=")
        assert condition in origin.seen[1]


@on_uvloop
async def test_without_a_validator_nothing_is_kept_to_be_asked_about() -> None:
    """Negative control: an expired answer without one is a plain miss."""
    clock = ManualClock()
    async with RawUpstream() as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"
