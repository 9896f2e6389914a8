"""The whole data path of one pool between clients and an upstream that aren't there: every byte in and out is a step of its own.

No socket, no task, no time but the manual clock's: dials end, answers come, clients leave and time passes when a test says so."""

from __future__ import annotations

import re
from collections.abc import Callable

from slipstream_api.clock import ManualClock
from slipstream_api.config import Pool, StoreConfig
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.slots import Work
from slipstream_runtime.cores.store import Store
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.driver import PoolDriver
from slipstream_runtime.proxy.parties import Door
from slipstream_runtime.proxy.sending import Sending
from slipstream_runtime.proxy.service import HttpService
from slipstream_runtime.proxy.state import PoolState
from slipstream_runtime.proxy.upstream import UpstreamConnection
from tests.fakes.http_wire import Wire

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Person:
    """A client connection, and the answers that came over it: status, head, body."""

    def __init__(self, context: Context, door: Door) -> None:
        self.client = Client(context, door)
        self.wire = Wire()
        self.client.connection_made(self.wire)  # type: ignore[arg-type]  # what it asks of a transport is there
        self.rest = b""

    @property
    def gone(self) -> bool:
        return self.wire.ended

    def ask(self, request: bytes) -> None:
        self.client.data_received(request)

    def leave(self) -> None:
        self.wire.ended = True
        self.client.connection_lost(None)

    def answers(self) -> list[tuple[int, bytes, bytes]]:
        """Those that are complete since the last look."""
        self.rest += b"".join(self.wire.written)
        self.wire.written.clear()
        found = []
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[: end + 2]
            status = int(head[9:12])
            length = LENGTH.search(head)
            size = 0 if status == 304 or length is None else int(length[1])
            if len(self.rest) < end + 4 + size:
                break
            found.append((status, head, self.rest[end + 4 : end + 4 + size]))
            self.rest = self.rest[end + 4 + size :]
        return found


class Place:
    """A connection to the upstream, as the upstream has it; `request` is the one that waits for an answer."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        self.wire = Wire()
        connection.connection_made(self.wire)  # type: ignore[arg-type]  # as above

    @property
    def request(self) -> bytes:
        return b"".join(self.wire.written)

    def say(self, data: bytes) -> None:
        if not self.wire.ended:
            self.connection.data_received(data)

    def cut(self) -> None:
        self.wire.ended = True
        self.connection.connection_lost(ConnectionResetError())


class StepDriver(PoolDriver):
    """Dials when it is told to."""

    pending = 0

    def _follow(self, now: float) -> None:
        """No name moves here, and there is no dialer to ask."""

    def carry_out(self, work: Work[UpstreamConnection, Sending]) -> None:
        self.pending += work.dial
        work.dial = 0
        super().carry_out(work)

    def dial_ends(self, connected: bool, now: float) -> Place | None:
        self.pending -= 1
        place = None
        if connected:
            connection = self._new_connection()
            place = Place(connection)
            work = self._connected(connection, 0.01, now)
        else:
            work = self.core.connect_failed(0.01, now)
        if work is not None:
            self._apply(work)
        return place


class World:
    """One pool. `configure` puts another configuration of it in force, as a reload does."""

    def __init__(self, pool: Pool, uniform: Callable[[], float]) -> None:
        self.clock = ManualClock()
        self.clock.advance(1_000.0)
        self.context = Context(self.clock)
        self.state = PoolState(pool, self.context, None, uniform)  # type: ignore[arg-type]  # nothing is dialled
        self.driver = StepDriver(pool.name, pool.upstream, pool.limits, self.context, None, uniform)  # type: ignore[arg-type]  # as above
        self.state.driver = self.driver
        self.store = Store(StoreConfig(name="s"))
        self.door = Door()
        self.door.pool = pool.name
        self.places: list[Place] = []
        self.configure(pool)

    def configure(self, pool: Pool) -> None:
        router = Router(pool, self.state.cache)
        self.state.configure(pool, {"s": self.store})
        self.service = HttpService(pool, self.state, router)
        self.door.service = self.service

    @property
    def now(self) -> float:
        return self.clock.now()

    def person(self) -> Person:
        return Person(self.context, self.door)

    def dial_ends(self, connected: bool) -> None:
        place = self.driver.dial_ends(connected, self.now)
        if place is not None:
            self.places.append(place)

    def asked(self) -> list[Place]:
        """Connections whose upstream has a request to answer."""
        self.places = [place for place in self.places if not place.wire.ended]
        return [place for place in self.places if place.wire.written]

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.context.now = self.now
        self.state.sweep(self.now)
        self.store.sweep(self.now)
