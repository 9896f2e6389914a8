"""A runtime whose spans go to a collector, for tests of traces. Holds no expectations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slipstream_runtime.observe.traces import endpoint_of, to_collector
from tests.fakes.collector import Collector
from tests.fakes.proxied import Proxied, proxied


def field(head: bytes, name: bytes) -> list[bytes]:
    """The values of the lines of that name."""
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    return [value for spelt, _, value in lines if spelt.lower() == name]


@asynccontextmanager
async def traced(collector: Collector, port: int, **settings: Any) -> AsyncIterator[Proxied]:
    """What ended is in the collector afterwards."""
    tracing = to_collector(endpoint_of(collector.url), "agent")
    assert tracing is not None
    async with proxied(port, tracing=tracing, **settings) as proxy:
        yield proxy
    await asyncio.to_thread(tracing.close, 30.0)
