"""Names while DNS is out or slow: what it said last counts, within bounds, and costs no request. On the fake clock, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Upstream
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.addresses import KEPT_SECONDS, RESOLUTION_SECONDS, RETRY_SECONDS
from slipstream_runtime.proxy.dialer import Dialer, DialError
from tests.fakes.addressed import HOME, Names, dialled, servers
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import proxied
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
