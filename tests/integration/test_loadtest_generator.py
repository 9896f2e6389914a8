"""The generator itself: its memory over many requests, and failures that must not flatter a target."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.driver import Listener
from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.driver import HttpDriver
from slipstream_loadtest.http.resolve import resolver
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.measured.timings import CallTimings
from tests.fakes.loadtest_plans import URL, a_plan
from tests.fakes.scripted_target import scripted_target

CALLS = 3_000


class Numbered(asyncio.Protocol):
    """Every answer has an id of its own, in its head and in its Cache-Status: nothing of it is worth remembering."""

    answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        Numbered.answers += 1
        text = b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nCache-Status: s; hit; ttl=%d\r\nContent-Length: 2\r\n\r\nok"
        self.transport.write(text % (Numbered.answers, Numbered.answers))  # type: ignore[attr-defined]  # a stream transport


@asynccontextmanager
async def numbered() -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(Numbered, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


class Asking:
    """A listener that asks again until it has had enough, and then says so; `kept`: remembers every call, as a leak would."""

    def __init__(self, series: Series, kept: list[bytes] | None) -> None:
        self.series = series
        self.kept = kept
        self.left = 0
        self.over = asyncio.Event()

    def ask(self, driver: HttpDriver, calls: int) -> None:
        self.left = calls
        self.over.clear()
        self.channel = driver.channel(0, "s", self)
        self.channel.call(0, 0, 1, 1)

    def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
        assert not error
        if self.kept is not None:
            self.kept.append(bytes(1000))
        self.series.offered += 1
        self.series.cache.add(cache)
        self.series.complete(0.0, 0.0, 0.001, timings)
        self.left -= 1
        if self.left:
            self.channel.call(0, 0, self.left, self.left)
        else:
            self.over.set()


async def growth(kept: list[bytes] | None) -> float:
    """Bytes of Python's own that a call leaves behind, once everything bounded is full."""
    async with numbered() as url:
        driver = HttpDriver(a_plan(URL), url, resolver("System"))
        await driver.prepare()
        asking = Asking(Series("s", "get", float("inf"), corrected=False), kept)
        listener: Listener = asking
        assert listener is asking
        tracemalloc.start()
        try:
            found = []
            for _ in range(2):
                asking.ask(driver, CALLS)
                await asking.over.wait()
                asking.channel.close()
                gc.collect()
                found.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        return (found[1] - found[0]) / CALLS


async def test_trap_t25_the_generator_keeps_nothing_of_its_calls():
    """Each answer has another head: what is remembered of heads is bounded, and a call leaves less than 10 bytes behind."""
    assert await growth(None) < 10


async def test_trap_t25_a_generator_that_keeps_its_calls_is_found():
    """The control: 1 kB a call is seen."""
    assert await growth([]) > 900


@pytest.mark.parametrize("path", ["/status/503", "/half", "/garbage"])
async def test_trap_t06_a_target_that_fails_fast_has_no_latency(path: str):
    """Half of the calls take 5 ms and are right, half fail at once: the latency is that of the right ones alone."""
    plan = a_plan(
        URL,
        scenarios=[
            {"name": "good", "steps": [{"name": "get", "http": {"path": "/slow?ms=5"}}]},
            {"name": "bad", "steps": [{"name": "get", "http": {"path": path}}]},
        ],
        stages=[{"name": "s", "users": 4, "duration": "150ms"}],
    )
    async with scripted_target() as target:
        part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, target.url, resolver("System"))})
    good, bad = part.phases[0].series
    assert bad.failed == bad.offered > good.completed // 2 > 0
    assert bad.service.count == 0
    assert bad.timings is None
    assert bad.error_after.count == bad.failed
    assert all(one.latency.count == one.completed for one in (*good.slices, *bad.slices))
    lowest = Histogram.decode(good.service).quantile(0)
    assert lowest is not None
    assert lowest >= 5_000_000
