"""A DNS server on loopback that knows every name but those of `.nowhere`: all are 127.0.0.9. Can fail as a young pod's network does."""

from __future__ import annotations

import asyncio
from typing import cast

ADDRESS = b"\x7f\x00\x00\x09"


class NameServer(asyncio.DatagramProtocol):
    """`servfail`: how many queries are answered SERVFAIL first; `lose`: how many get no answer. `asked` counts them all."""

    def __init__(self, servfail: int = 0, lose: int = 0) -> None:
        self.servfail, self.lose, self.asked = servfail, lose, 0
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port: int = 0) -> str:
        """Its address, as resolvers take it."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        assert self._transport is not None
        host, bound = self._transport.get_extra_info("sockname")
        return f"{host}:{bound}"

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.asked += 1
        assert self._transport is not None
        if self.asked <= self.lose:
            return
        question = data[12 : data.index(b"\x00", 12) + 5]
        if self.asked <= self.lose + self.servfail:
            answer = data[:2] + b"\x81\x82\x00\x01" + b"\x00" * 6 + question
        elif b"\x07nowhere" in question:
            answer = data[:2] + b"\x81\x83\x00\x01" + b"\x00" * 6 + question
        elif question[-4:-2] == b"\x00\x01":
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04" + ADDRESS
            answer = data[:2] + b"\x81\x80\x00\x01\x00\x01" + b"\x00" * 4 + question + record
        else:
            answer = data[:2] + b"\x81\x80\x00\x01" + b"\x00" * 6 + question
        self._transport.sendto(answer, address)
