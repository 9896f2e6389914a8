"""Names while DNS is out or slow, and names that move: what DNS said last counts, within bounds. On the fake clock, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Limits, Upstream
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.addresses import GONE_SECONDS, KEPT_SECONDS, REFRESH_SECONDS, RESOLUTION_SECONDS, RETRY_SECONDS
from slipstream_runtime.proxy.dialer import Dialer, DialError
from tests.fakes.addressed import HOME, Names, dialled, servers
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream


@pytest.mark.parametrize("outage", [OSError("SERVFAIL"), OSError("no answer"), None], ids=["servfail", "timeout", "empty"])
@on_uvloop
async def test_an_outage_of_dns_takes_no_healthy_upstream_down(outage: OSError | None) -> None:
    """Its last addresses stay in use, a herd still asks once, and DNS is asked again a second later; what it says then counts at once."""
    clock, names = ManualClock(), Names(HOME[0])
    async with servers(HOME[0], HOME[1]) as (port, _):
        dialer = Dialer(names, clock)
        assert await dialled(dialer, port) == HOME[0]
        names.error, names.addresses = outage, []
        clock.advance(RESOLUTION_SECONDS)
        assert await asyncio.gather(*(dialled(dialer, port) for _ in range(5))) == [HOME[0]] * 5
        assert (await dialled(dialer, port), names.asked) == (HOME[0], 2)
        for asked in (3, 4):
            clock.advance(RETRY_SECONDS)
            assert (await dialled(dialer, port), names.asked) == (HOME[0], asked)
        names.error, names.addresses = None, [HOME[1]]
        clock.advance(RETRY_SECONDS)
        assert await dialled(dialer, port) == HOME[1]


@on_uvloop
async def test_a_caller_notices_nothing_of_an_outage_of_dns(caplog: pytest.LogCaptureFixture) -> None:
    """Through the whole proxy, each request on a connection of its own; the log says so once a minute."""

    async def once(connection: Connection) -> None:
        await connection.request()
        connection.answer(extra=b"Connection: close\r\n")

    clock, names = ManualClock(), Names(HOME[0])
    async with (
        RawUpstream(once, host=HOME[0]) as up,
        proxied(up.port, clock=clock, upstream=Upstream(host="up.example", port=up.port), resolver=names) as proxy,
    ):
        caller = await proxy.caller()
        assert (await caller.ask()).status == 200
        names.error = OSError("SERVFAIL")
        for _ in range(7):
            clock.advance(10)
            assert (await caller.ask()).status == 200
        assert (up.connections, names.asked) == (8, 8)
    assert [record.levelname for record in caplog.records if record.name == "slipstream.dns"] == ["WARNING"] * 2


@on_uvloop
async def test_a_silent_dns_holds_no_dial_up_while_addresses_are_known() -> None:
    """One dial waits a moment, the others not at all; the answer counts when it comes, though nobody waits for it any more."""
    clock, names = ManualClock(), Names(HOME[0])
    async with servers(HOME[0], HOME[1]) as (port, _):
        dialer = Dialer(names, clock)
        assert await dialled(dialer, port) == HOME[0]
        names.hold.clear()
        names.addresses = [HOME[1]]
        for _ in range(20):
            clock.advance(RESOLUTION_SECONDS)
            assert await dialled(dialer, port) == HOME[0]
        assert names.asked == 2
        names.hold.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert (await dialled(dialer, port), names.asked) == (HOME[1], 2)


@on_uvloop
async def test_without_a_known_address_an_outage_is_told() -> None:
    """Negative control: nothing to go on with, or nothing that DNS has vouched for within an hour."""
    clock, names = ManualClock(), Names(HOME[0])
    names.error = OSError("SERVFAIL")
    async with servers(HOME[0]) as (port, _):
        dialer = Dialer(names, clock)
        for _ in range(2):
            with pytest.raises(DialError, match="SERVFAIL") as refused:
                await dialled(dialer, port)
            assert refused.value.failure is failures.DNS_ERROR
        names.error = None
        assert (await dialled(dialer, port), names.asked) == (HOME[0], 3)
        names.error = OSError("SERVFAIL")
        clock.advance(KEPT_SECONDS - 1)
        assert await dialled(dialer, port) == HOME[0]
        clock.advance(RETRY_SECONDS)
        with pytest.raises(DialError, match="SERVFAIL"):
            await dialled(dialer, port)


PATIENT = Limits(request_timeout_ms=3_600_000, idle_timeout_ms=3_600_000, max_lifetime_ms=36_000_000)


async def pass_time(proxy: Proxied, clock: ManualClock, seconds: float) -> None:
    """Five seconds after five, with a sweep and what it brings in each."""
    for _ in range(int(seconds) // 5):
        clock.advance(5)
        await until(lambda: proxy.runtime.context.now == clock.now())
        for _ in range(3):
            await asyncio.sleep(0)


@on_uvloop
async def test_a_pool_in_use_follows_a_name_that_moves() -> None:
    """Idle connections to the old address close, one in use does after its answer; the next request goes to the new address."""
    release = asyncio.Event()

    async def slow(connection: Connection) -> None:
        while True:
            if b"/slow" in (await connection.request())[0]:
                await release.wait()
            connection.answer()

    clock, names = ManualClock(), Names(HOME[0])
    async with servers(HOME[0], HOME[1]) as (port, up):
        up[HOME[0]].script = slow
        async with proxied(port, clock=clock, limits=PATIENT, upstream=Upstream(host="up.example", port=port), resolver=names) as proxy:
            busy, other = await proxy.caller(), await proxy.caller()
            busy.get(b"/slow")
            await until(lambda: proxy.core.in_use == 1)
            assert (await other.ask()).status == 200
            names.addresses = [HOME[1]]
            await pass_time(proxy, clock, REFRESH_SECONDS)
            assert (names.asked, proxy.core.idle, proxy.core.in_use) == (2, 1, 1)  # it may have been left out by chance
            await pass_time(proxy, clock, GONE_SECONDS)
            assert (proxy.core.idle, proxy.core.in_use) == (0, 1)
            assert (await other.ask()).status == 200
            release.set()
            assert (await busy.answer()).status == 200
            await until(lambda: proxy.service.pool._loads == {HOME[1]: 1})
            assert (proxy.core.idle, {host: server.connections for host, server in up.items()}) == (1, {HOME[0]: 2, HOME[1]: 1})


@pytest.mark.parametrize("fate", ["same", "parts", "outage", "address"])
@on_uvloop
async def test_a_name_that_hasnt_moved_costs_no_connection(fate: str) -> None:
    """Negative control: neither where each answer is a part of the addresses, nor while DNS is out; an address is never asked for."""
    clock, names = ManualClock(), Names(HOME[0])
    async with servers(HOME[0]) as (port, up):
        host = HOME[0] if fate == "address" else "up.example"
        async with proxied(port, clock=clock, limits=PATIENT, upstream=Upstream(host=host, port=port), resolver=names) as proxy:
            caller = await proxy.caller()
            assert (await caller.ask()).status == 200
            for minute in range(4):
                names.error = OSError("SERVFAIL") if fate == "outage" else None
                names.addresses = [HOME[1]] if fate == "parts" and minute % 2 else HOME[:1]
                await pass_time(proxy, clock, REFRESH_SECONDS)
            assert (await caller.ask()).status == 200
            assert up[HOME[0]].connections == 1
            assert names.asked > 3 or fate == "address"


@on_uvloop
async def test_nobody_asks_for_a_name_that_no_connection_leads_to() -> None:
    """A pool that rests costs DNS nothing."""
    clock, names = ManualClock(), Names(HOME[0])

    async def once(connection: Connection) -> None:
        await connection.request()
        connection.answer(extra=b"Connection: close\r\n")

    async with (
        RawUpstream(once, host=HOME[0]) as up,
        proxied(up.port, clock=clock, upstream=Upstream(host="up.example", port=up.port), resolver=names) as proxy,
    ):
        assert (await (await proxy.caller()).ask()).status == 200
        await until(lambda: not proxy.core.size)
        await pass_time(proxy, clock, 2 * REFRESH_SECONDS)
        assert names.asked == 1
