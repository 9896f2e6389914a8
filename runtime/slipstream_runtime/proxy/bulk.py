"""Reads of a large answer, in pieces of a bounded size: what stands between its connection and asyncio meanwhile. Parses nothing.

uvloop reads as much as 256 kB at once, and all of it waits in memory where a client is slow; each read here is at most READ bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slipstream_runtime.proxy.upstream import UpstreamConnection

READ: Final = 65_536
_SHARED: Final = memoryview(bytearray(READ))  # of all connections: what a read leaves here is copied before the next one


class BulkReader(asyncio.BufferedProtocol):
    """Of one connection; in force from the first part of an answer's body to its end."""

    __slots__ = ("_connection",)

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SHARED

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(_SHARED[:nbytes]))

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


def exchange(transport: asyncio.Transport, protocol: object) -> None:
    """From now on `transport` reads for `protocol`, in its way; uvloop settles on one when reading begins, so that it begins anew."""
    reading = transport.is_reading()
    if reading:
        transport.pause_reading()
    transport.set_protocol(protocol)  # type: ignore[arg-type]  # UpstreamConnection is duck-typed
    if reading:
        transport.resume_reading()
