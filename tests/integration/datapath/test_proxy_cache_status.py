"""Cache-Status (RFC 9211) on every answer over real sockets: what it says where no store had a part, and to whose list it is added."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api.config import BreakerRule, Fallback, Limits, Pool, RuntimeConfig, Upstream, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, cache_rule, free_port, invalidation, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream


async def lines_of(caller: Caller, request: bytes) -> list[bytes]:
    """The values of the lines of Cache-Status of the answer, in order; its body is of a known length."""
    caller.send(request)
    head = (await caller.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")[1:]
    fields = [(name.lower(), value) for name, value in (line.split(b": ", 1) for line in head)]
    if not request.startswith(b"HEAD"):
        await caller.reader.readexactly(int(dict(fields)[b"content-length"]))
    return [value for name, value in fields if name == b"cache-status"]


def asking(method: bytes, path: bytes, extra: bytes = b"") -> bytes:
    length = b"" if method in (b"GET", b"HEAD", b"OPTIONS") else b"Content-Length: 0\r\n"
    return b"%b %b HTTP/1.1\r\nHost: up\r\n%b%b\r\n" % (method, path, length, extra)


async def answers(connection: Connection) -> None:
    while True:
        head = await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if head.startswith(b"HEAD") else b"ok"))


@pytest.mark.parametrize("rules", [True, False], ids=["some-rules", "no-rules"])
@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        (b"GET", b"/other", b"fwd=bypass; detail=no-rule"),
        (b"HEAD", b"/other", b"fwd=bypass; detail=no-rule"),
        (b"POST", b"/w", b"fwd=method"),
        (b"POST", b"/c", b"fwd=method"),
        (b"DELETE", b"/c", b"fwd=method"),
        (b"OPTIONS", b"/c", b"fwd=method"),
        (b"GET", b"/c//", b"fwd=bypass; detail=no-rule"),
    ],
)
@on_uvloop
async def test_an_answer_that_no_rule_is_concerned_with_says_so(rules: bool, method: bytes, path: bytes, says: bytes) -> None:
    """Whatever rules there are for others."""
    own: dict[str, Any] = {"cache": (cache_rule(),), "invalidations": (invalidation(),)} if rules else {}
    async with RawUpstream(answers) as up, proxied(up.port, **own) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            assert await lines_of(caller, asking(method, path)) == [b"slipstream; " + says]
        if rules:
            assert await lines_of(caller, asking(b"GET", b"/c")) == [b"slipstream; fwd=uri-miss; stored"]


@on_uvloop
async def test_it_is_added_to_what_other_caches_said() -> None:
    """After theirs, with a rule and without, and on a hit too, which keeps what the stored answer said."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(extra=b"Cache-Status: far; hit\r\nCache-Status: near; fwd=miss\r\n")

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller, theirs = await proxy.caller(), [b"far; hit", b"near; fwd=miss"]
        assert await lines_of(caller, asking(b"GET", b"/x")) == [*theirs, b"slipstream; fwd=bypass; detail=no-rule"]
        assert await lines_of(caller, asking(b"GET", b"/c")) == [*theirs, b"slipstream; fwd=uri-miss; stored"]
        *before, own = await lines_of(caller, asking(b"GET", b"/c"))
        assert (before, own[:15]) == (theirs, b"slipstream; hit")


@pytest.mark.parametrize(
    ("chain", "status"),
    [((), 502), ((Fallback(type="Static", status=418, body="static"),), 418)],
    ids=["own", "static"],
)
@on_uvloop
async def test_an_answer_of_our_own_has_one_too(chain: tuple[Fallback, ...], status: int) -> None:
    """The upstream refuses: with a rule it says why nothing was fetched, without one what kind of request it was."""
    breaker = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=1_000, minimum_calls=1_000), fallback=chain)
    async with proxied(free_port(), cache=(cache_rule(),), breakers=(breaker,)) as proxy:
        caller = await proxy.caller()
        for method, path, says in (
            (b"GET", b"/c", b"fwd=uri-miss; detail=ConnectionRefused"),
            (b"GET", b"/x", b"fwd=bypass; detail=no-rule"),
            (b"POST", b"/x", b"fwd=method"),
        ):
            assert await lines_of(caller, asking(method, path)) == [b"slipstream; " + says]
        assert (await caller.ask()).status == status


@on_uvloop
async def test_another_upstream_s_answer_is_no_cache_s() -> None:
    """Though the pool that gives it has a rule for such a request."""
    breaker = BreakerRule(
        name="b",
        policy="p",
        window=Window(type="Count", calls=1_000, minimum_calls=1_000),
        fallback=(Fallback(type="Upstream", pool="other"),),
    )
    async with RawUpstream(answers) as up, proxied(free_port()) as proxy:
        own = proxy.config(breaker_rules=(breaker,), cache_rules=(cache_rule(),))
        second = Pool(name="other", upstream=Upstream(host="127.0.0.1", port=up.port), cache_rules=(cache_rule(),))
        await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, second), stores=own.stores), "Local")
        caller = await proxy.caller()
        for _ in range(2):
            assert await lines_of(caller, asking(b"GET", b"/c")) == [b"slipstream; fwd=bypass; detail=fallback"]


@on_uvloop
async def test_what_is_no_request_says_so_and_what_is_no_answer_has_none() -> None:
    """Neither a hit nor forwarded. After a 101 every byte is theirs."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw")

    async with RawUpstream(script) as up, proxied(up.port, limits=Limits(max_headers=16)) as proxy:
        caller = await proxy.caller()
        assert await lines_of(caller, b"GET / HTTP/1.1\r\nHost: up\r\nHost: up\r\n\r\n") == [b"slipstream; detail=BadRequest"]
        caller = await proxy.caller()
        caller.send(b"GET / HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        found = await caller.reader.readuntil(b"raw")
        assert (found[:12], b"Cache-Status" in found) == (b"HTTP/1.1 101", False)
