"""How answers are kept, over real sockets: compressed, evicted, by quota, and swept when they are dead."""

from __future__ import annotations

import asyncio

from slipstream_api.clock import ManualClock
from slipstream_api.config import Match, Partition, StoreConfig
from slipstream_runtime.cores.store import TABLES
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, invalidation, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

EVERY_GET = Match(protocol="HTTP", methods=("GET",))
ALL = cache_rule(match=EVERY_GET)
BY_SESSION = cache_rule(match=EVERY_GET, partition=Partition(type="Header", headers=("X-Session-Id",)))
TEXT = b'{"text": "the same again and again"}' * 500


async def script(connection: Connection) -> None:
    while True:
        head, _ = await connection.request()
        connection.answer(TEXT, b"Content-Encoding: br\r\n" if b"/encoded" in head else b"Content-Type: application/json\r\n")


def stored(proxy: Proxied) -> int:
    return proxy.service.state.stores["s"].bytes


@on_uvloop
async def test_a_compressed_answer_is_sent_as_it_came_and_takes_less_memory() -> None:
    """An encoded one is kept and sent with the upstream's own bytes."""
    async with RawUpstream(script) as up, proxied(up.port, cache=(ALL,)) as proxy:
        proxy.store = StoreConfig(name="s", compression="Zstd", compression_min_bytes=1_000)
        await proxy.apply(cache_rules=(ALL,))
        caller = await proxy.caller()
        for path, least, most in ((b"/plain", 0, len(TEXT) // 4), (b"/encoded", len(TEXT), 2 * len(TEXT))):
            before = stored(proxy)
            first = await caller.ask(path)
            assert least < stored(proxy) - before < most
            second = await caller.ask(path)
            assert second.fields[b"cache-status"].startswith(b"slipstream; hit")
            assert first.body == second.body == TEXT
            assert int(second.fields[b"content-length"]) == len(TEXT)


@on_uvloop
async def test_a_damaged_answer_is_fetched_again() -> None:
    """The caller sees nothing of it."""
    async with RawUpstream(script) as up, proxied(up.port, cache=(ALL,)) as proxy:
        proxy.store = StoreConfig(name="s", compression="Zstd", compression_min_bytes=1_000)
        await proxy.apply(cache_rules=(ALL,))
        caller = await proxy.caller()
        await caller.ask(b"/a")
        (entry,) = (entry for table in proxy.service.state.stores["s"]._tables for entry in table.values())
        entry.data = entry.data[:-1] + bytes([entry.data[-1] ^ 1])
        again = await caller.ask(b"/a")
        assert again.body == TEXT
        assert b"fwd=uri-miss; stored" in again.fields[b"cache-status"]
        assert (await caller.ask(b"/a")).fields[b"cache-status"].startswith(b"slipstream; hit")


@on_uvloop
async def test_one_session_cannot_take_the_others_place() -> None:
    """With a quota; without one it does (control)."""
    for percent, kept in ((30, True), (100, False)):
        async with RawUpstream(script) as up, proxied(up.port, cache=(BY_SESSION,)) as proxy:
            proxy.store = StoreConfig(name="s", max_bytes=200_000, max_partition_percent=percent)
            await proxy.apply(cache_rules=(BY_SESSION,))
            caller = await proxy.caller()
            await caller.ask(b"/mine", b"X-Session-Id: quiet\r\n")
            for n in range(30):
                await caller.ask(b"/%d" % n, b"X-Session-Id: greedy\r\n")
            found = await caller.ask(b"/mine", b"X-Session-Id: quiet\r\n")
            assert found.fields[b"cache-status"].startswith(b"slipstream; hit") == kept


@on_uvloop
async def test_another_algorithm_by_a_reload_keeps_the_answers() -> None:
    """LRU to SIEVE and back."""
    async with RawUpstream(script) as up, proxied(up.port, cache=(ALL,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/a")
        for eviction in ("SIEVE", "LRU"):
            proxy.store = StoreConfig(name="s", eviction=eviction)  # type: ignore[arg-type]  # one of the two
            await proxy.apply(cache_rules=(ALL,))
            assert (await caller.ask(b"/a")).fields[b"cache-status"].startswith(b"slipstream; hit")
        assert up.connections == 1


@on_uvloop
async def test_what_a_write_made_wrong_holds_no_memory_for_long() -> None:
    """The sidecar's own ticks take it away: nobody asks for it again."""
    clock = ManualClock()
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, cache=(ALL,), invalidations=(invalidation(),)) as proxy:
        caller = await proxy.caller()
        for n in range(5):
            await caller.ask(b"/%d" % n)
        assert stored(proxy) > 5 * len(TEXT)
        await caller.ask(b"/w", method=b"POST")
        sweep = proxy.runtime._sweep
        for _ in range(TABLES):
            sweep.stop()
            sweep.start()  # a tick
        await asyncio.sleep(0)
        assert stored(proxy) == 0
