"""A listening socket of the data path. What serves its connections can change at any time; the socket and its connections stay."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, Literal

from slipstream_api.sidecar import ListenerStatus
from slipstream_runtime.http.forward import connection_line
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.acceptor import Acceptor
from slipstream_runtime.proxy.answers import unserved_answer
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.failures import CLIENTS_FULL, STARTING
from slipstream_runtime.proxy.parties import Door, Service
from slipstream_runtime.proxy.sockets import listening
from slipstream_runtime.proxy.traced import observed

BACKLOG: Final = 1024


class Listener(Door):
    """(address, port) → a service for HTTP, or a factory of raw protocols; in force for the next request or connection."""

    def __init__(self, context: Context, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.pool = ""
        self.error = ""
        self.service: Service = _NoService()
        self._context = context
        self._raw: Callable[[], Any] | None = None
        self._acceptor: Acceptor | None = None

    def serve(self, pool: str, service: Service) -> None:
        """Requests that begin from now on, on new and old connections, are `service`'s."""
        self.pool, self.service, self._raw = pool, service, None

    def serve_raw(self, pool: str, factory: Callable[[], Any]) -> None:
        """Connections from now on are raw; what is open stays as it is."""
        self.pool, self._raw = pool, factory

    async def open(self) -> None:
        """Listen; a failure is kept in `error`, since one port in use mustn't cost the others."""
        try:
            self._acceptor = Acceptor(listening(self.address, self.port, BACKLOG), self._accept, self._context.wires)
        except OSError as error:
            self.error = f"can't listen on {self.address}:{self.port}: {os.strerror(error.errno) if error.errno else error}"
            return
        self.error = ""
        self.port = self._acceptor.port

    def close(self) -> None:
        """Stop accepting; connections stay."""
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    @property
    def listening(self) -> bool:
        return self._acceptor is not None

    def status(self) -> ListenerStatus:
        state: Literal["Listening", "Failed"] = "Listening" if self.listening else "Failed"
        return ListenerStatus(address=self.address, port=self.port, pool=self.pool, state=state, error=self.error)

    def _accept(self) -> Any:
        if self._raw is not None:
            return self._raw()
        if len(self._context.clients) >= self._context.max_clients:
            self._context.refused += 1
            return _Refusal(self._context)
        context = self._context
        return Client(context, self) if context.access is None and context.tracing is None else observed(context, self)


class _Refusal:
    """A connection too many: one answer, whatever it would have asked, and the end. An asyncio protocol (duck-typed, as Client)."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.write(unserved_answer(CLIENTS_FULL, self._context.date, connection_line(True, False), False))
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Too late to be heard."""

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing was kept for it."""

    def pause_writing(self) -> None:
        """One short answer never fills a socket."""

    def resume_writing(self) -> None:
        """As above."""


class _NoService(Service):
    """Between `open` and the first `serve`: a moment in which a configuration isn't in force yet."""

    def handle(self, client: Client, head: RequestHead, body: bytes, complete: bool) -> None:
        line = connection_line(head.line.http11, False)
        client.send(unserved_answer(STARTING, client.context.date, line, head.method == b"HEAD"))
        client.finished(False)
