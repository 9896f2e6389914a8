"""The whole data path of one pool between a client's bytes and an upstream's, without sockets and without a class of its own: so it runs
compiled, too. What arrives upstream is read by two other parsers."""

from __future__ import annotations

import asyncio
from typing import Any

from slipstream_api.clock import ManualClock
from slipstream_api.config import Pool, Upstream
from slipstream_runtime.cores.route import Router
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.parties import Door
from slipstream_runtime.proxy.service import HttpService
from slipstream_runtime.proxy.state import PoolState
from tests.fakes.http_references import REFERENCES, Reading
from tests.fakes.http_wire import Wire

TURNS = 4  # of the loop: a dial is a task
MARK = b"\r\nVia: 1.1 slipstream\r\n"


class Forwarding:
    """`forwarded`: start and body of each request that arrived whole. Dials itself, at once."""

    def __init__(self) -> None:
        pool = Pool(name="m", upstream=Upstream(host="up", port=1))
        self.context = Context(ManualClock())
        self.state = PoolState(pool, self.context, self)  # type: ignore[arg-type]  # what it asks of a dialer is there
        self.state.configure(pool, {})
        self.door = Door()
        self.door.pool = pool.name
        self.door.service = HttpService(pool, self.state, Router(pool, self.state.cache))
        self.places: list[tuple[Any, Wire]] = []
        self.forwarded: list[tuple[tuple[bytes, ...], bytes]] = []

    async def connect(self, factory: Any, *_: object) -> tuple[Wire, Any]:
        connection, wire = factory(), Wire()
        connection.connection_made(wire)
        self.places.append((connection, wire))
        return wire, connection

    def client(self) -> tuple[Client, Wire]:
        client, wire = Client(self.context, self.door), Wire()
        client.connection_made(wire)  # type: ignore[arg-type]  # what it asks of a transport is there
        return client, wire

    async def requests(self, parts: list[bytes]) -> tuple[list[tuple[tuple[bytes, ...], bytes]], bool]:
        """What a client's bytes become upstream, where each whole request is answered, and whether the client was sent away."""
        client, wire = self.client()
        for part in parts:
            if not wire.ended:
                client.data_received(part)
            await self.quiet()
        ended = wire.ended
        wire.ended = True
        client.connection_lost(None)
        return self.forwarded, ended

    async def answer(self, method: bytes, parts: list[bytes], end: bool) -> Reading | None:
        """What h11 makes of what a client gets for an upstream's bytes; None where that is an error of ours, or cut short."""
        client, wire = self.client()
        client.data_received(b"%b / HTTP/1.1\r\nHost: up\r\n\r\n" % method)
        await self.connected()
        ((connection, upstream),) = self.places
        for part in parts:
            if not upstream.ended:
                connection.data_received(part)
        if end and not upstream.ended:
            connection.eof_received()
        written, ended = b"".join(wire.written), wire.ended
        if not ended:
            wire.ended = True
            client.connection_lost(None)
        reading = REFERENCES[0].answers(written, method, ended)
        assert reading is not None
        return None if b"\r\nX-Slipstream-Reason: " in written or reading.complete != 1 else reading

    async def connected(self) -> None:
        """Dials are over."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Until nothing arrives any more."""
        busy = True
        while busy:
            await self.connected()
            self.places = [place for place in self.places if not place[1].ended]
            busy = False
            for connection, wire in self.places:
                busy = self._read(connection, wire) or busy

    def _read(self, connection: Any, wire: Wire) -> bool:
        data = b"".join(wire.written)
        if not data:
            return False
        first, second = (reference.requests(data) for reference in REFERENCES)
        assert not first.refused, (first, data)
        if not first.complete:
            if b"100-continue" in data and b"\r\n\r\n" in data and not getattr(wire, "continued", False):
                wire.continued = True  # type: ignore[attr-defined]  # of this request
                connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
                return True
            return False
        assert first.rest <= 0, ("more than a request", data)
        assert data.count(MARK) >= 1, ("not forwarded by the proxy", data)
        if not second.refused:  # it knows a list of methods
            assert (second.complete, second.start, second.body) == (1, first.start, first.body), data
        wire.written.clear()
        wire.continued = False  # type: ignore[attr-defined]  # the next one isn't
        self.forwarded.append((first.start, first.body))
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True
