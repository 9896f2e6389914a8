"""Requests and answers of every shape go through, in order, over connections that are reused."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream


@on_uvloop
async def test_connections_are_kept_on_both_sides() -> None:
    """Ten requests of one client need one upstream connection."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for n in range(10):
            assert (await caller.ask(b"/%d" % n)).body == b"GET /%d HTTP/1.1|" % n
        assert up.connections == 1
        assert (proxy.core.in_use, proxy.core.idle) == (0, 1)


@on_uvloop
async def test_pipelined_requests_are_answered_in_order() -> None:
    """Hits behind misses don't overtake, in one write or byte by byte."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        paths = [b"/c", b"/1", b"/c", b"/c", b"/2", b"/c"]
        whole = b"".join(b"GET %b HTTP/1.1\r\nHost: up\r\n\r\n" % path for path in paths)
        caller.send(whole)
        assert [(await caller.answer()).body for _ in paths] == [b"GET %b HTTP/1.1|" % path for path in paths]
        for n in range(len(whole)):
            caller.send(whole[n : n + 1])
            await caller.writer.drain()
        assert [(await caller.answer()).body for _ in paths] == [b"GET %b HTTP/1.1|" % path for path in paths]
        assert up.connections == 1


@on_uvloop
async def test_half_a_head_behind_a_hit_loses_nothing() -> None:
    """The hit is written though the next head isn't complete."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        caller.send(b"GET /c HTTP/1.1\r\nHost: up\r\n\r\nGET /n")
        assert (await caller.answer()).fields[b"cache-status"].startswith(b"slipstream; hit")
        caller.send(b"ext HTTP/1.1\r\nHost: up\r\n\r\n")
        assert (await caller.answer()).body == b"GET /next HTTP/1.1|"


@pytest.mark.parametrize(
    ("answer", "body", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n", b"hello", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", False),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    ],
    ids=["length", "chunked", "204", "until close", "after 103"],
)
@on_uvloop
async def test_answers_of_every_framing_arrive_whole(answer: bytes, body: bytes, closes: bool) -> None:
    """Cut at every byte or in one piece; the client's connection serves the next request all the same."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            for n in range(len(answer)) if b"/cut" in head else ():
                connection.send(answer[n : n + 1])
                await connection.writer.drain()
            if b"/cut" not in head:
                connection.send(answer)
            if closes:
                return

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for path in (b"/whole", b"/cut", b"/whole"):
            caller.get(path)
            found = await caller.answer()
            while found.status == 103:
                found = await caller.answer()
            assert found.body == body
        assert proxy.core.in_use == 0


@on_uvloop
async def test_a_head_answer_has_no_body() -> None:
    """Its Content-Length describes what GET would bring."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.head()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            assert (await caller.ask(method=b"HEAD")).fields[b"content-length"] == b"5"
        assert up.connections == 1


@on_uvloop
async def test_http10_clients_get_a_body_until_close() -> None:
    """They can't read chunks."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        found = await caller.answer()
        assert (found.body, found.fields[b"connection"]) == (b"hello", b"close")


@on_uvloop
async def test_request_bodies_of_both_framings_arrive() -> None:
    """Chunks are re-framed, lengths kept; a body in pieces is streamed."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST /l HTTP/1.1\r\nHost: up\r\nContent-Length: 10\r\n\r\nhello")
        await caller.writer.drain()
        caller.send(b"world")
        assert (await caller.answer()).body == b"POST /l HTTP/1.1|helloworld"
        caller.send(b"POST /c HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await caller.writer.drain()
        caller.send(b"5;x\r\nworld\r\n0\r\n\r\nGET /after HTTP/1.1\r\nHost: up\r\n\r\n")
        assert (await caller.answer()).body == b"POST /c HTTP/1.1|helloworld"
        assert (await caller.answer()).body == b"GET /after HTTP/1.1|"


@on_uvloop
async def test_100_continue_is_the_upstreams_to_say() -> None:
    """The body follows only once it said so."""

    async def script(connection: Connection) -> None:
        head = await connection.head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.answer(await connection.body(head))

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await caller.answer()).status == 100
        caller.send(b"hello")
        assert (await caller.answer()).body == b"hello"


@on_uvloop
async def test_an_early_refusal_ends_both_connections() -> None:
    """413 before the body is through: the client is told so and to close, the upstream connection isn't reused."""
    closed = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.answer(b"no", status=b"413 Content Too Large")
        await connection.gone()
        closed.set()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 10000000\r\n\r\nhello")
        found = await caller.answer()
        assert (found.status, found.fields[b"connection"]) == (413, b"close")
        await closed.wait()
        assert (proxy.core.in_use, proxy.core.idle) == (0, 0)


@on_uvloop
async def test_an_upgrade_becomes_a_raw_tunnel() -> None:
    """Both directions, also what was sent ahead; its connection counts until it ends."""
    ended = asyncio.Event()

    async def script(connection: Connection) -> None:
        assert b"Upgrade: websocket" in await connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst")
        assert await connection.reader.readexactly(4) == b"\x00\r\n\xff"
        connection.send(b"second")
        await connection.gone()
        ended.set()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.get(extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        assert (await caller.answer()).status == 101
        assert await caller.reader.readexactly(5) == b"first"
        caller.send(b"\x00\r\n\xff")
        assert await caller.reader.readexactly(6) == b"second"
        assert proxy.core.in_use == 1
        caller.writer.write_eof()
        await ended.wait()  # half-close goes through
        assert await caller.ended()
        assert proxy.core.in_use == 0
        assert proxy.runtime.context.tunnels == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\nHost: up\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: up\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: up\n\n",
        b"POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: up\r\n\r\n",
    ],
    ids=["CL+TE", "obs-fold", "bare LF", "bad chunk"],
)
@on_uvloop
async def test_bad_framing_is_refused_and_ends_the_connection(bad: bytes) -> None:
    """400 after the good answer before it; nothing behind it reaches the upstream."""
    seen: list[bytes] = []

    async def script(connection: Connection) -> None:
        while True:
            seen.append((await connection.head()).split(b"\r\n")[0])
            connection.answer()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"GET /good HTTP/1.1\r\nHost: up\r\n\r\n" + bad)
        assert (await caller.answer()).status == 200
        found = await caller.answer()
        assert (found.status, found.fields[b"connection"]) == (400, b"close")
        assert await caller.ended()
        assert seen == [b"GET /good HTTP/1.1"]
        assert proxy.core.in_use == 0
