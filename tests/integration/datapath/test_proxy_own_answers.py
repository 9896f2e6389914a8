"""Every answer that Slipstream gives itself has a Cache-Status: to a request of a pool it says what the cache did before there was nothing
to answer with, to anything else why nothing was asked. RFC 9211 §2 would rather have none on either."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Limits
from slipstream_runtime.proxy.context import HEAD_SECONDS, Context
from slipstream_runtime.proxy.listener import Listener
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, Caller, cache_rule, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

BOUNDS = Limits(max_headers=16, max_header_bytes=4_096, max_url_bytes=256, max_body_bytes=8)
RULE = BreakerRule(name="b", policy="p")


def says(found: Answer) -> bytes:
    return found.fields.get(b"cache-status", b"")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, b"GET / HTTP/1.1\r\nHost: up\r\nHost: up\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 9\r\n\r\n"),
        (414, b"GET /%b HTTP/1.1\r\nHost: up\r\n\r\n" % (b"x" * 300)),
        (417, b"POST / HTTP/1.1\r\nHost: up\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: up\r\nX: %b\r\n\r\n" % (b"x" * 5_000)),
        (501, b"CONNECT up:1 HTTP/1.1\r\nHost: up\r\n\r\n"),
        (505, b"GET / HTTP/2.0\r\nHost: up\r\n\r\n"),
    ],
)
@on_uvloop
async def test_what_is_no_request_has_one(status: int, request_: bytes) -> None:
    """Neither a hit nor forwarded; after a request that went well, too."""
    async with RawUpstream() as up, proxied(up.port, limits=BOUNDS, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        assert says(await caller.ask()) == b"slipstream; fwd=bypass; detail=no-rule"
        caller.send(request_)
        found = await caller.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"], says(found)) == (
            status,
            b"BadRequest",
            b"slipstream; detail=BadRequest",
        )
        assert await caller.ended()


@on_uvloop
async def test_a_head_that_takes_too_long_has_one() -> None:
    """408, as the sweep says it."""
    clock = ManualClock()
    async with proxied(free_port(), clock=clock) as proxy:
        caller = await proxy.caller()
        caller.send(b"GET / HT")
        await until(lambda: any(client.deadline == clock.now() + HEAD_SECONDS for client in proxy.runtime.context.clients))
        clock.advance(HEAD_SECONDS + 1)
        found = await caller.answer()
        assert (found.status, says(found)) == (408, b"slipstream; detail=BadRequest")


@on_uvloop
async def test_what_no_pool_is_concerned_with_has_one() -> None:
    """A connection too many, and a port that isn't served yet: nothing was looked at."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        proxy.runtime.context.max_clients = 0
        found = await (await proxy.caller()).ask(b"/c")
        assert (found.status, found.fields[b"x-slipstream-reason"], says(found)) == (
            503,
            b"TooManyClients",
            b"slipstream; detail=TooManyClients",
        )
        proxy.runtime.context.max_clients = 1
        assert says(await (await proxy.caller()).ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"
    listener = Listener(Context(ManualClock()), "127.0.0.1", 0)
    await listener.open()
    try:
        caller = await Caller.open(listener.port)
        found = await caller.ask(b"/c")
        assert (found.status, found.fields[b"x-slipstream-reason"], says(found)) == (503, b"Starting", b"slipstream; detail=Starting")
        caller.leave()
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("reason", "limits", "rule", "path", "extra", "why"),
    [
        ("PoolFull", Limits(max_connections=1, max_pending=0), RULE, b"/x", b"", b"bypass; detail=no-rule"),
        ("PoolFull", Limits(max_connections=1, max_pending=0), RULE, b"/c", b"", b"uri-miss; detail=PoolFull"),
        ("AcquireTimeout", Limits(max_connections=1, acquire_timeout_ms=60), RULE, b"/c", b"", b"uri-miss; detail=AcquireTimeout"),
        ("TooManyCalls", Limits(), BreakerRule(name="b", policy="p", max_concurrent_calls=1), b"/c", b"", b"uri-miss; detail=TooManyCalls"),
        ("DeadlineExceeded", Limits(), RULE, b"/c", b"X-Envoy-Expected-Rq-Timeout-Ms: 60\r\n", b"uri-miss; detail=DeadlineExceeded"),
        ("RequestTimeout", Limits(request_timeout_ms=100), RULE, b"/c", b"", b"uri-miss; detail=RequestTimeout"),
        ("OnlyIfCached", Limits(), RULE, b"/c", b"Cache-Control: only-if-cached\r\n", b"uri-miss; detail=OnlyIfCached"),
        ("CircuitOpen", Limits(), RULE, b"/c", b"", b"uri-miss; detail=CircuitOpen"),
    ],
)
@on_uvloop
async def test_a_request_that_we_answer_ourselves_has_one(
    reason: str, limits: Limits, rule: BreakerRule, path: bytes, extra: bytes, why: bytes
) -> None:
    """While another one is under way; the reason is in it where a rule takes the request."""
    go = asyncio.Event()

    async def slow(connection: Connection) -> None:
        while True:
            await connection.request()
            await go.wait()
            connection.answer()

    async with RawUpstream(slow) as up, proxied(up.port, limits=limits, breakers=(rule,), cache=(cache_rule(),)) as proxy:
        first, second = await proxy.caller(), await proxy.caller()
        first.get()
        await until(lambda: proxy.core.in_use == 1)
        if reason == "CircuitOpen":
            proxy.service.circuits.force("b", "ForcedOpen", proxy.runtime.context.clock.now())
        found = await second.ask(path, extra)
        assert (found.fields[b"x-slipstream-reason"], says(found)) == (reason.encode(), b"slipstream; fwd=" + why)
        go.set()


@pytest.mark.parametrize("told", [b"x", b"SSH-2.0-x\r\n\r\n", b""], ids=["incomplete", "malformed", "nothing"])
@on_uvloop
async def test_an_upstream_without_an_answer_and_a_body_too_long_are_such_requests(told: bytes) -> None:
    """502 and 413; the latter is a request's whose head was taken, unlike that of a Content-Length too long."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(told)

    async with RawUpstream(script) as up, proxied(up.port, limits=BOUNDS, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        found = await caller.ask(b"/c")
        assert (found.status, says(found)[:24]) == (502, b"slipstream; fwd=uri-miss")
        caller.send(b"POST /x HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n")
        await until(lambda: proxy.core.in_use)
        caller.send(b"9\r\ntoo long!\r\n0\r\n\r\n")
        found = await caller.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"], says(found)) == (413, b"BodyTooLong", b"slipstream; fwd=method")


@on_uvloop
async def test_interim_answers_have_none_and_the_one_after_them_has_it() -> None:
    """100 and 103 as the upstream gave them."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        connection.answer()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST /x HTTP/1.1\r\nHost: up\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        found = [await caller.answer() for _ in range(3)]
        assert [(answer.status, says(answer)) for answer in found] == [(100, b""), (103, b""), (200, b"slipstream; fwd=method")]


def test_there_are_no_other_answers_of_our_own() -> None:
    """Who makes one: a caller that isn't in this list would be an answer that the tests above know nothing of."""
    names = {"simple_answer", "malformed_answer", "failure_answer", "unserved_answer"}
    found = set()
    for path in sorted((Path(__file__).parents[3] / "runtime" / "slipstream_runtime").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                found.add((path.name, node.func.id))
    assert found == {
        ("answers.py", "failure_answer"),
        ("answers.py", "simple_answer"),
        ("client.py", "malformed_answer"),
        ("exchange.py", "failure_answer"),
        ("listener.py", "unserved_answer"),
    }
