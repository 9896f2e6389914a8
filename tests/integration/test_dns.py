"""Names by DNS alone, over real sockets: what passes is waited for, what is final is told at once."""

from __future__ import annotations

import asyncio
import socket

import pytest

from slipstream_api.clock import MonotonicClock
from slipstream_api.config import Upstream
from slipstream_api.dns import TRIES, Address, lookup
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.dialer import Dialer, DialError, DnsResolver
from tests.fakes.nameserver import NameServer

NAME = "memory-server.team.svc.cluster.local"
FOUND = [Address(socket.AF_INET, "127.0.0.9")]


async def test_a_refused_port_is_asked_again():
    """Nothing listens there yet, as in a pod whose network has just come up: c-ares alone gives up within a millisecond."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
    asking = asyncio.create_task(lookup(NAME, 8080, [f"127.0.0.1:{port}"]))
    done, _ = await asyncio.wait({asking}, timeout=0.02)
    assert not done, "refused, and given up"
    server = NameServer()
    await server.start(port)
    assert await asking == FOUND
    server.close()


@pytest.mark.parametrize("trouble", [{"servfail": 2}, {"lose": 2}], ids=["servfail", "lost"])
async def test_a_failure_that_passes_is_waited_for(trouble: dict[str, int]):
    """Both questions of the first try (A and AAAA) come to nothing; the second try is answered."""
    server = NameServer(**trouble)
    assert await lookup(NAME, 8080, [await server.start()]) == FOUND
    assert server.asked >= 4
    server.close()


async def test_a_name_that_is_not_there_is_told_at_once():
    """NXDOMAIN is an answer: one try, however many there may be."""
    server = NameServer()
    with pytest.raises(OSError, match="not found"):
        await lookup("memory.nowhere", 8080, [await server.start()])
    assert server.asked <= 2 < 2 * len(TRIES)
    server.close()


async def test_a_dial_says_that_dns_was_silent_not_that_the_upstream_was():
    """Within the connect timeout, and with the reason that names the right culprit."""
    server = NameServer(lose=10**6)
    dialer = Dialer(DnsResolver([await server.start()]), MonotonicClock())
    with pytest.raises(DialError) as refused:
        await dialer.connect(asyncio.Protocol, Upstream(host=NAME, port=8080), 0.2)
    assert refused.value.failure is failures.DNS_ERROR
    assert "no answer from DNS within 0.2 s" in str(refused.value)
    server.close()
