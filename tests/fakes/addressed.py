"""Upstreams on several addresses of one port, a resolver that is told what to say, and a dial that ends at once. Tests nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from slipstream_api.config import Upstream
from slipstream_runtime.proxy.dialer import Dialer
from tests.fakes.proxied import free_port
from tests.fakes.raw_upstream import RawUpstream

HOME = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


class Names:
    """A resolver: what each question is answered; `hold` lets it wait."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.error: OSError | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        return list(self.addresses)


@asynccontextmanager
async def servers(*hosts: str) -> AsyncIterator[tuple[int, dict[str, RawUpstream]]]:
    """One on each address, all on one port."""
    async with AsyncExitStack() as stack:
        port, up = free_port(), {}
        for host in hosts:
            up[host] = await stack.enter_async_context(RawUpstream(host=host, port=port))
        yield port, up


async def dialled(dialer: Dialer, port: int, timeout: float = 2.0) -> str:
    """The address that a dial ended at."""
    transport, _ = await dialer.connect(asyncio.Protocol, Upstream(host="up.example", port=port), timeout)
    address: str = transport.get_extra_info("peername")[0]
    transport.abort()
    return address
