"""Further attempts and bodies over real sockets: sent again whole or not at all, never after the answer has begun."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream, Script
from tests.fakes.retried import Upstream, ended, fails_until, retrying


@on_uvloop
async def test_a_write_that_was_never_sent_is_tried_again() -> None:
    """Nobody listened at first: even a POST with its body, which waited."""
    port = free_port()
    up = Upstream(fails_until(1, ""))
    async with proxied(port, breakers=(retrying(attempts=6),)) as proxy:
        caller = await proxy.caller()
        caller.post(b"/w", b"body")
        await until(lambda: proxy.service.figures.retries_made)
        async with RawUpstream(up.script, port=port):
            found = await caller.answer()
            assert (found.status, up.bodies) == (200, [b"body"])
            ended(proxy)


@pytest.mark.parametrize(("size", "attempts"), [(3, 2), (60_000, 2), (80_000, 1)])
@pytest.mark.parametrize("chunked", [False, True])
@on_uvloop
async def test_trap_38_a_body_is_sent_again_whole_or_not_at_all(size: int, attempts: int, chunked: bool) -> None:
    """Beyond what is kept of a body there is one attempt."""
    up = Upstream(fails_until(2, "503 Busy"))
    body = bytes(n % 251 for n in range(size))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),)) as proxy:
        caller = await proxy.caller()
        if chunked:
            framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[: size // 2], body[size // 2 :]))
            caller.send(b"PUT / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n")
        else:
            caller.send(b"PUT / HTTP/1.1\r\nHost: up\r\nContent-Length: %d\r\n\r\n%b" % (size, body))
        found = await caller.answer()
        assert (found.status, up.bodies) == (200 if attempts == 2 else 503, [body] * attempts)
        ended(proxy)


@on_uvloop
async def test_a_body_that_arrives_in_pieces_is_sent_again_whole() -> None:
    """What was forwarded already, and what came only later."""
    clock, seen, bodies = ManualClock(), asyncio.Event(), list[bytes]()

    async def script(connection: Connection) -> None:
        head = await connection.head()
        seen.set()
        bodies.append(await connection.body(head))
        connection.answer(status=b"503 Busy" if len(bodies) == 1 else b"200 OK")

    async with RawUpstream(script) as raw, proxied(raw.port, breakers=(retrying(),), clock=clock) as proxy:
        caller = await proxy.caller()
        caller.send(b"PUT / HTTP/1.1\r\nHost: up\r\nContent-Length: 9\r\n\r\none")
        await seen.wait()
        for piece in (b"two", b"333"):
            caller.send(piece)
            await asyncio.sleep(0.01)
        await until(lambda: proxy.service.figures.retries_made)
        clock.advance(1)
        assert ((await caller.answer()).status, bodies) == (200, [b"onetwo333"] * 2)
        ended(proxy)


@on_uvloop
async def test_no_attempt_after_the_first_byte_of_a_body() -> None:
    """The client has seen it: the connection is cut."""
    calls = 0

    async def script(connection: Connection) -> None:
        nonlocal calls
        await connection.request()
        calls += 1
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with RawUpstream(script) as raw, proxied(raw.port, breakers=(retrying(),)) as proxy:
        caller = await proxy.caller()
        caller.get()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.answer()
        assert calls == 1
        ended(proxy)


def scripts_of(numbers: list[Script]) -> Script:
    async def script(connection: Connection) -> None:
        await numbers[min(connection.number, len(numbers)) - 1](connection)

    return script


@on_uvloop
async def test_a_large_bad_answer_that_isnt_complete_costs_its_connection_only() -> None:
    """The rest of it never reaches anybody."""

    async def bad(connection: Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\npoison")
        await connection.gone()

    async def good(connection: Connection) -> None:
        await connection.request()
        connection.answer(b"good")

    async with RawUpstream(scripts_of([bad, good])) as raw, proxied(raw.port, breakers=(retrying(),)) as proxy:
        found = await (await proxy.caller()).ask()
        assert (found.status, found.body, raw.connections) == (200, b"good", 2)
        ended(proxy)
