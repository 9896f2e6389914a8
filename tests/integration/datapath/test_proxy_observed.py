"""What is told of requests on real sockets: lines of the access log, and what is in them; and traces that pass untouched."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from slipstream_api.clock import ManualClock
from slipstream_api.config import Limits, Upstream
from slipstream_runtime.observe.access import AccessLog
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.logged import LoggedClient
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, metrics, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"traceparent: 00-" + TRACE + b"-00f067aa0ba902b7-01\r\n"
SECRETS = b"Authorization: Bearer s3cret\r\nCookie: id=s3cret\r\nX-Session-Id: s3cret\r\n"


def logged(proxy: Proxied, share: float = 1.0, roll: float = 0.5) -> AccessLog:
    """Of the connections that come from now on."""
    access = proxy.runtime.context.access = AccessLog(share, lambda: roll)
    return access


def lines(access: AccessLog) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in access.take().splitlines()]


@on_uvloop
async def test_each_answer_is_one_line_and_says_nothing_of_the_caller() -> None:
    """A miss, a hit, and one past the cache; what was asked is told by the operation alone."""
    clock = ManualClock()
    async with RawUpstream() as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        access = logged(proxy)
        caller = await proxy.caller()
        answers = [await caller.ask(path, PARENT + extra) for path, extra in ((b"/c", b""), (b"/c", b""), (b"/d?token=s3cret", SECRETS))]
        assert [answer.status for answer in answers] == [200] * 3
        await until(lambda: access.kept == 3)
        data = access.take()
    told = [msgspec.json.decode(line) for line in data.splitlines()]
    assert [(one["pool"], one["operation"], one["status"], one.get("cache")) for one in told] == [
        ("m", "GET /c", 200, "uri-miss"),
        ("m", "GET /c", 200, "hit"),
        ("m", "GET *", 200, "bypass"),
    ]
    assert {one["traceId"] for one in told} == {TRACE.decode()}
    assert {one["end"] for one in told} == {"complete"}
    assert all(one["bytes"] > 40 for one in told)
    assert "queueSeconds" in told[0]  # it dialled
    assert "queueSeconds" not in told[1]
    assert "queueSeconds" not in told[2]
    assert not any(word in data for word in (b"s3cret", b"token", b"/d"))


@on_uvloop
async def test_durations_are_split() -> None:
    """Wait, first byte, last byte: each at its time on the clock."""
    clock = ManualClock()
    asked, go, more, gone = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer()
        await connection.request()
        asked.set()
        await go.wait()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await more.wait()
        connection.send(b"b")
        await connection.request()
        connection.answer()
        await gone.wait()

    async with RawUpstream(script) as up, proxied(up.port, clock=clock, limits=Limits(max_connections=1)) as proxy:
        access = logged(proxy)
        first, second = await proxy.caller(), await proxy.caller()
        await first.ask()
        first.get(b"/slow")
        await asked.wait()
        second.get(b"/waits")
        await until(lambda: proxy.core.waiting == 1)
        clock.advance(1.0)
        go.set()
        await first.reader.readuntil(b"\r\n\r\na")
        clock.advance(2.0)
        more.set()
        assert await first.reader.readexactly(1) == b"b"
        await second.answer()
        told = lines(access)
        gone.set()
        sums = metrics(proxy)["slipstream_pool_wait_seconds_sum"]
        waits = metrics(proxy)["slipstream_pool_wait_seconds_count"]
    slow, waited = told[1], told[2]
    assert (slow["firstByteSeconds"], slow["totalSeconds"]) == (1.0, 3.0)
    assert "queueSeconds" not in slow
    assert (waited["queueSeconds"], waited["firstByteSeconds"], waited["totalSeconds"]) == (3.0, 3.0, 3.0)
    assert (sums["m",], waits["m",]) == (3.0, 3.0)


class SlowNames:
    """Knows one address, and says it when `go` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        await self.go.wait()
        return ["127.0.0.1"]


@on_uvloop
async def test_the_time_to_connect_is_told_apart_from_the_wait() -> None:
    """The second one waits for its turn, then for its connection; the third finds one that is open."""
    clock, names, asked, go = ManualClock(), SlowNames(), asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await go.wait()
        connection.answer(extra=b"Connection: close\r\n" if connection.number == 1 else b"")
        await connection.request()
        connection.answer()

    async with RawUpstream(script) as up:
        named = Upstream(host="up.test", port=up.port)
        async with proxied(up.port, clock=clock, limits=Limits(max_connections=1), upstream=named, resolver=names) as proxy:
            access = logged(proxy)
            first, second = await proxy.caller(), await proxy.caller()
            first.get()
            await until(lambda: names.asked == 1)
            clock.advance(0.5)
            names.go.set()
            await asked.wait()
            names.go.clear()
            second.get()
            await until(lambda: proxy.core.waiting == 1)
            clock.advance(6)  # more than an address is remembered
            go.set()
            await first.answer()
            await until(lambda: names.asked == 2)
            clock.advance(0.25)
            names.go.set()
            await second.answer()
            await second.ask()
            told = lines(access)
    assert [(one.get("queueSeconds"), one.get("connectSeconds")) for one in told] == [(0.5, 0.5), (6.25, 0.25), (None, None)]


@on_uvloop
async def test_failures_are_told_where_nothing_else_is() -> None:
    """Of our own, of the upstream, and an answer that was cut short; a client that leaves isn't one."""
    hung = asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            if b"/cut" in head:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                return
            if b"/hang" in head:
                hung.set()
                await connection.gone()
                return
            connection.answer(b"", status=b"500 No" if b"/500" in head else b"200 OK")

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        access = logged(proxy, share=0.01)
        caller = await proxy.caller()
        for path in (b"/", b"/500"):
            await caller.ask(path)
        caller.get(b"/cut")
        assert (await caller.reader.read(1 << 16)).endswith(b"half")
        leaver = await proxy.caller()
        leaver.get(b"/hang")
        await hung.wait()
        leaver.leave()
        await until(lambda: proxy.service.figures.cancelled == 1)
        told = lines(access)
    assert [(one["status"], one["end"]) for one in told] == [(500, "complete"), (200, "cut")]

    async with proxied(free_port()) as proxy:
        access = logged(proxy, share=0.01)
        caller = await proxy.caller()
        assert (await caller.ask()).status == 502
        (one,) = lines(access)
    assert (one["status"], one["reason"], one["end"]) == (502, "ConnectionRefused", "complete")


@on_uvloop
async def test_a_client_that_leaves_and_a_request_that_is_none_have_lines_too() -> None:
    """Status 0: nothing was sent."""
    hung = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        hung.set()
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        access = logged(proxy)
        caller = await proxy.caller()
        caller.get(b"/hang")
        await hung.wait()
        caller.leave()
        await until(lambda: access.kept == 1)
        bad = await proxy.caller()
        bad.send(b"no request\r\n\r\n")
        assert (await bad.answer()).status == 400
        told = lines(access)
    assert [(one["status"], one["end"], one.get("reason")) for one in told] == [(0, "client-gone", None), (400, "complete", "BadRequest")]


@on_uvloop
async def test_an_upgrade_and_pipelined_requests_are_a_line_each() -> None:
    """Of the tunnel only the switch is told."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            if b"Upgrade" in head:
                connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
                await connection.gone()
                return
            connection.answer()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        access = logged(proxy)
        caller = await proxy.caller()
        caller.get(b"/1")
        caller.get(b"/2")
        for _ in range(2):
            await caller.answer()
        caller.get(b"/up", b"Connection: upgrade\r\nUpgrade: x\r\n")
        assert (await caller.answer()).status == 101
        told = lines(access)
    assert [one["status"] for one in told] == [200, 200, 101]


@on_uvloop
async def test_an_interim_answer_is_not_the_answer() -> None:
    """Its status isn't told, and its bytes are."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        connection.answer(b"", status=b"404 Not Found")
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        access = logged(proxy)
        caller = await proxy.caller()
        assert [(await caller.ask()).status, (await caller.answer()).status] == [103, 404]
        (one,) = lines(access)
    assert one["status"] == 404
    assert one["bytes"] > len(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n")


@on_uvloop
async def test_off_a_connection_is_the_plain_one() -> None:
    """Nothing is asked on a request's path; on, it is another class: the test could tell."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        await (await proxy.caller()).ask()
        assert {type(client) for client in proxy.runtime.context.clients} == {Client}
        logged(proxy)
        await (await proxy.caller()).ask()
        assert {type(client) for client in proxy.runtime.context.clients} == {Client, LoggedClient}


@on_uvloop
async def test_trace_context_goes_on_as_it_came() -> None:
    """Octet for octet, also what isn't valid or isn't in the usual case, through a miss and past the cache."""
    fields = (
        b"TraceParent: 00-" + TRACE + b"-00f067aa0ba902b7-01\r\n",
        b"tracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7\r\n",
        b"tracestate: other=1\r\n",
    )
    seen: list[bytes] = []

    async def script(connection: Connection) -> None:
        while True:
            seen.append(await connection.head())
            connection.answer()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        logged(proxy)
        caller = await proxy.caller()
        for path in (b"/c", b"/d"):
            await caller.ask(path, b"".join(fields))
        await caller.ask(b"/e")
        await caller.ask(b"/c", PARENT.replace(b"4b", b"4c"))  # another trace, the same question
    assert [b"".join(fields) in head for head in seen] == [True, True, False]
