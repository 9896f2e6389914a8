"""How long a request's body may take to come, over real sockets: it keeps a connection from all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Limits, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

LENGTH = 20_000_000
HEAD = b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: %d\r\n\r\nx" % LENGTH
CHUNKED = b"POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


class Uploads:
    """A proxy whose callers send bodies, its clock, and an upstream that takes them; `early`: it answers before it has one."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.proxy: Proxied
        self.early = False
        self.asked = 0
        self.gone = 0

    async def script(self, connection: Connection) -> None:
        while True:
            head = await connection.head()
            self.asked += 1
            if self.early:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            if head.startswith(b"POST"):
                try:
                    await connection.body(head)
                except (asyncio.IncompleteReadError, ConnectionError):
                    self.gone += 1
                    return
            connection.answer()

    @property
    def client(self) -> Any:
        (client,) = [client for client in self.proxy.runtime.context.clients if not client.body.complete]
        return client

    async def begin(self, head: bytes = HEAD) -> Caller:
        caller = await self.proxy.caller()
        caller.send(head)
        await until(lambda: self.asked)
        return caller

    async def more(self, caller: Caller, data: bytes, size: int) -> None:
        client, before = self.client, self.client.body_bytes
        caller.send(data)
        await until(lambda: client.body_bytes == before + size)

    def pass_by(self, seconds: float) -> None:
        """So much time, and a sweep."""
        self.clock.advance(seconds)
        now = self.proxy.runtime.context.now = self.clock.now()
        self.proxy.service.tracker.sweep(now)


@asynccontextmanager
async def uploads(**limits: int) -> AsyncIterator[Uploads]:
    found = Uploads()
    rule = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=9, minimum_calls=9))
    async with (
        RawUpstream(found.script) as raw,
        proxied(raw.port, clock=found.clock, breakers=(rule,), limits=Limits(request_timeout_ms=30_000, **limits)) as proxy,
    ):
        found.proxy = proxy
        yield found


@pytest.mark.parametrize(("head", "piece"), [(HEAD, b"x"), (CHUNKED, b"1\r\nx\r\n")])
@on_uvloop
async def test_a_body_that_drips_is_given_up(head: bytes, piece: bytes) -> None:
    """It never stands still, and keeps the pool's only connection all the same: 408, others get one, and no breaker hears of it."""
    async with uploads(max_connections=1) as up:
        caller = await up.begin(head)
        for _ in range(2):
            up.pass_by(14)
            await up.more(caller, piece, 1)
        up.pass_by(1.9)
        assert up.proxy.core.in_use == 1
        up.pass_by(1.1)
        answer = await caller.answer()
        assert (answer.status, answer.fields[b"x-slipstream-reason"]) == (408, b"RequestBodyTooSlow")
        await until(lambda: up.gone)
        assert (await (await up.proxy.caller()).ask()).status == 200
        window = up.proxy.service.circuits.all()[0].window
        assert (window.calls, window.failures, up.proxy.core.in_use, len(up.proxy.service.tracker)) == (1, 0, 0, 0)


@on_uvloop
async def test_a_body_that_stands_still_says_so() -> None:
    """Another reason, after as long."""
    async with uploads() as up:
        caller = await up.begin()
        up.pass_by(1)  # the first look
        up.pass_by(30.1)
        answer = await caller.answer()
        assert (answer.status, answer.fields[b"x-slipstream-reason"]) == (408, b"RequestBodyTimeout")


@on_uvloop
async def test_a_body_at_two_thousand_bytes_a_second_is_taken_for_hours() -> None:
    """The control: it takes almost three."""
    async with uploads() as up:
        caller = await up.begin()
        sent = 1
        while sent < LENGTH - 1:
            size = min(50_000, LENGTH - 1 - sent)
            await up.more(caller, bytes(size), size)
            sent += size
            up.pass_by(25)
        assert up.clock.now() > 9_900
        caller.send(b"x")
        assert (await caller.answer()).status == 200


@pytest.mark.parametrize("held", [20.0, 0.0])
@on_uvloop
async def test_time_in_which_we_dont_read_isnt_the_callers(held: float) -> None:
    """As where the upstream takes nothing; as long again is left then, and no longer."""
    async with uploads() as up:
        caller = await up.begin()
        if held:
            up.client.hold_body()
            up.pass_by(held)
            up.client.want_body()
        for _ in range(2):
            await up.more(caller, b"x", 1)
            up.pass_by(14)
        await up.more(caller, b"x", 1)
        up.pass_by(1.5)
        assert up.proxy.core.in_use == 1
        up.pass_by(1.1)
        assert up.proxy.core.in_use == 0
        assert (await caller.answer()).status == 408


@on_uvloop
async def test_a_body_may_drip_while_its_answer_flows() -> None:
    """An upstream that answers early knows what it does; a body that stands still ends it all the same."""
    async with uploads() as up:
        up.early = True
        caller = await up.begin()
        await caller.reader.readuntil(b"half")
        for _ in range(5):
            up.pass_by(14)
            await up.more(caller, b"x", 1)
        assert up.proxy.core.in_use == 1
        up.pass_by(30.1)
        assert up.proxy.core.in_use == 0
        window = up.proxy.service.circuits.all()[0].window
        assert window.calls == 0
