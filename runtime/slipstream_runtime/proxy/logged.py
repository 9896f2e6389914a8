"""A client connection whose answers are told to the access log, where there is one: looks at what passes and changes nothing. Used only
where somebody wants to hear of answers."""

from __future__ import annotations

import asyncio
from typing import Final

from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.observe.access import AccessLog, Line, cache_outcome, trace_id
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.parties import Call, Door, Service

CACHE_STATUS: Final = b"\r\nCache-Status: slipstream;"
REASON: Final = b"\r\nX-Slipstream-Reason: "


class LoggedDoor(Door):
    """Stands in for another door, so that a client hears of its requests."""

    def __init__(self, door: Door) -> None:
        self.service = _Noting(door)


class _Noting(Service):
    """The service that is in force behind the door, and a note of what it is asked."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.follow()

    def follow(self) -> None:
        """The limits are those of the service that is in force now."""
        self.limits = self._door.service.limits

    def handle(self, client: Client, head: RequestHead, body: bytes, complete: bool) -> Call | None:
        assert isinstance(client, LoggedClient)
        head = client.asked(head, self._door.pool)
        call = self._door.service.handle(client, head, body, complete)
        client.routed(head)
        return call


class LoggedClient(Client):
    """One request at a time, as its base says; `_head` is that of the one under way."""

    __slots__ = ("_access", "_began", "_cache", "_connect", "_first", "_head", "_operation", "_pool", "_queued", "_reason", "_sent",
                 "_status")  # fmt: skip

    def __init__(self, context: Context, door: Door, access: AccessLog | None) -> None:
        super().__init__(context, door)
        self._access = access
        self._head: RequestHead | None = None
        self._pool: str = ""
        self._operation: str = ""
        self._began: float = 0.0
        self._queued: float = -1.0  # below 0: it didn't wait
        self._connect: float = 0.0  # of that, to open the connection
        self._first: float = 0.0
        self._status: int = 0
        self._sent: int = 0
        self._cache: bytes = b""
        self._reason: bytes = b""

    def asked(self, head: RequestHead, pool: str) -> RequestHead:
        """A request begins; as it is to go on."""
        self._head, self._pool, self._operation = head, pool, ""
        self._began = self.context.clock.now()
        self._queued = -1.0
        self._connect = self._first = 0.0
        self._status = self._sent = 0
        self._cache = self._reason = b""
        return head

    def data_received(self, data: bytes) -> None:
        noting = self._door.service
        if isinstance(noting, _Noting):
            noting.follow()
        super().data_received(data)

    def routed(self, head: RequestHead) -> None:
        """Its operation is known: read at once, since the line is shared by all requests that are spelt alike, in every pool."""
        if self._head is head:
            self._operation = operation_of(head)

    def granted(self, opening: float) -> None:
        self._queued = self.context.clock.now() - self._began
        self._connect = min(opening, self._queued)  # it may have been begun for somebody who left

    def send(self, data: bytes) -> None:
        if self._head is not None:
            if self._status < 200:
                self._opened(data)
            self._sent += len(data)
        super().send(data)

    def _opened(self, data: bytes) -> None:
        """An answer's head, which always comes in one piece."""
        self._status = int(data[9:12])
        self._first = self.context.clock.now() - self._began
        end = data.find(b"\r\n\r\n")
        self._cache = _value(data, CACHE_STATUS, end)
        self._reason = _value(data, REASON, end)

    # -- ends: the line is made before the base goes on, maybe with the next request ------------------------------------------

    def finished(self, keep: bool) -> None:
        self._tell("complete")
        super().finished(keep)

    def abort(self) -> None:
        self._tell("cut")
        super().abort()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        self._tell("complete")
        return super().detach()

    def connection_lost(self, error: Exception | None) -> None:
        self._tell("client-gone")
        super().connection_lost(error)

    def _refuse(self, error: MalformedError) -> None:
        access = self._access
        if access is not None and self._head is None and access.wanted(False, self.context.clock.now()):
            told = Line(
                time=access.stamp(),
                pool="",
                operation="",
                status=error.status,
                end="complete",
                total_seconds=0.0,
                bytes=0,
                reason="BadRequest",
            )
            access.add(told)
        super()._refuse(error)

    def _tell(self, end: str) -> None:
        head, self._head = self._head, None
        access = self._access
        if head is None or access is None:
            return
        now = self.context.clock.now()
        failed = end == "cut" or self._status >= 500 or self._reason != b""
        if not access.wanted(failed, now):
            return
        told = Line(
            time=access.stamp(),
            pool=self._pool,
            operation=self._operation or operation_of(head),
            status=self._status,
            end=end,
            total_seconds=round(now - self._began, 6),
            bytes=self._sent,
            cache=cache_outcome(self._cache) if self._cache else None,
            reason=self._reason.decode("latin-1") or None,
            queue_seconds=round(self._queued, 6) if self._queued >= 0 else None,
            connect_seconds=round(self._connect, 6) if self._connect else None,
            first_byte_seconds=round(self._first, 6) if self._status else None,
            trace_id=trace_id(head.value(b"traceparent")),
        )
        access.add(told)


def operation_of(head: RequestHead) -> str:
    operation = head.line.operation
    return "" if operation is None else str(operation.name)


def _value(data: bytes, name: bytes, end: int) -> bytes:
    """What follows `name` on its line, before `end`; the last such line, since ours comes after the upstream's."""
    at = data.rfind(name, 0, end)
    if at < 0:
        return b""
    after = at + len(name)
    stop = data.find(b"\r\n", after)
    return data[after - 1 : stop] if name[-1:] == b";" else data[after:stop]
