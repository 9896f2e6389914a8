"""Bounds of requests, as a pool sets them: what is beyond one is refused with its status, and what is at its edge is not."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.config import Limits
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

SMALL = Limits(max_header_bytes=2_000, max_headers=16, max_url_bytes=1_024, max_body_bytes=10)


def a_request(path: bytes = b"/", lines: int = 1, size: int = 0) -> bytes:
    """With `lines` header lines, and a head of `size` bytes if it isn't longer already."""
    fields = [b"Host: up", *[b"X-%d: a" % number for number in range(lines - 1)]]
    head = b"\r\n".join([b"GET %b HTTP/1.1" % path, *fields])
    if size:
        head += b"\r\nX-P: "
        head += b"p" * (size - len(head))
    return head + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (a_request(path=b"/" + b"x" * 1_023), 200),
        (a_request(path=b"/" + b"x" * 1_024), 414),
        (a_request(path=b"/" + b"x" * 3_000), 431),
        (a_request(lines=16), 200),
        (a_request(lines=17), 431),
        (a_request(size=2_000), 200),
        (a_request(size=2_001), 431),
        (b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 10\r\n\r\n0123456789", 200),
        (b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 11\r\n\r\n0123456789a", 413),
        (b"POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n", 413),
    ],
    ids=["url", "url+1", "url-and-head", "lines", "lines+1", "head", "head+1", "body", "body+1", "chunks", "chunks+1"],
)
@on_uvloop
async def test_a_request_beyond_a_bound_is_refused_and_one_at_it_is_not(request_: bytes, status: int) -> None:
    """The control: without such bounds it goes through."""
    async with RawUpstream() as up, proxied(up.port, limits=SMALL) as proxy:
        caller = await proxy.caller()
        caller.send(request_)
        assert (await caller.answer()).status == status
        assert status == 200 or await caller.ended()
        await proxy.apply()
        again = await proxy.caller()
        again.send(request_)
        assert (await again.answer()).status == 200


@on_uvloop
async def test_larger_bounds_than_the_usual_ones_hold_too() -> None:
    """A head of 100 kB with 300 lines and a path of 20 kB."""
    limits = Limits(max_header_bytes=1 << 20, max_headers=1_024, max_url_bytes=65_536)
    async with RawUpstream() as up, proxied(up.port, limits=limits) as proxy:
        caller = await proxy.caller()
        big = a_request(path=b"/" + b"x" * 20_000, lines=300).replace(b"X-7: a", b"X-7: " + b"a" * 40_000)
        for _ in range(2):
            caller.send(big)
            assert (await caller.answer()).status == 200


@pytest.mark.parametrize("answered", [False, True], ids=["no-answer-yet", "in-the-middle-of-one"])
@on_uvloop
async def test_a_body_that_grows_too_long_ends_its_request_upstream(answered: bool) -> None:
    """413 where no answer has begun; else it is cut. The upstream's connection is closed, and the next caller has a new one."""
    seen: list[bytes] = []

    async def script(connection: Connection) -> None:
        seen.append(await connection.head())
        if answered:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await connection.gone()
        seen.append(b"gone")

    async with RawUpstream(script) as up, proxied(up.port, limits=SMALL) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
        await until(lambda: seen)
        if answered:
            await caller.reader.readuntil(b"\r\n\r\nx")
        caller.send(b"6\r\n56789a\r\n")
        if answered:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await caller.reader.readexactly(1)
        else:
            found = await caller.answer()
            assert (found.status, found.fields[b"x-slipstream-reason"]) == (413, b"BodyTooLong")
        await until(lambda: b"gone" in seen)
        await until(lambda: not proxy.core.in_use)
        assert not len(proxy.service.state.tracker)
