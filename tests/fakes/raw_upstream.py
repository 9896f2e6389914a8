"""A scripted upstream on a real socket: each connection runs the script, byte by byte, and everything it saw can be awaited."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self


class Connection:
    """One accepted connection, for a script."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request's head; raises IncompleteReadError at the end."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        """The next request: head and body."""
        head = await self.head()
        return head, await self.body(head)

    async def body(self, head: bytes) -> bytes:
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if fields.get(b"transfer-encoding") == b"chunked":
            pieces = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                pieces += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
            return pieces
        return await self.reader.readexactly(int(fields.get(b"content-length", b"0")))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def answer(self, body: bytes = b"ok", extra: bytes = b"", status: bytes = b"200 OK") -> None:
        self.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), extra, body))

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()

    async def gone(self) -> None:
        """Returns when the proxy has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Connection], Awaitable[None]]


async def echo(connection: Connection) -> None:
    """200 with the request line and what there was of a body, for ever."""
    while True:
        head, body = await connection.request()
        connection.answer(head.split(b"\r\n")[0] + b"|" + body)


class RawUpstream:
    """`async with RawUpstream(script) as upstream`. `tls`: it speaks TLS; `port`: that one, and not one of the system's choice."""

    def __init__(self, script: Script = echo, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.connections = 0
        self.host = host
        self.port = port
        self.tls = tls
        self.faults: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert not self.faults, self.faults

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self.script(Connection(self.connections, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as fault:  # a script that fails must fail its test
            self.faults.append(fault)
        finally:
            self._tasks.discard(task)
            writer.close()
