"""Pods are independent: each stores its own answers, and nothing that happens to another, or is lost on its way to it, touches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api.clock import ManualClock
from slipstream_api.envelope import Refused, dump_key, pod_audience, sign
from slipstream_api.sidecar import Bootstrap
from slipstream_runtime.control.gate import Gate
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, invalidation, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

KEY = Ed25519PrivateKey.generate()
TTL = 60.0


class Counting:
    """An upstream whose answer is how many writes it has seen."""

    def __init__(self) -> None:
        self.writes = 0

    async def __call__(self, connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            self.writes += head.startswith(b"POST")
            connection.answer(b"%d" % self.writes)


class Pod:
    """One sidecar and the gate of its admin API."""

    def __init__(self, proxy: Proxied, uid: str) -> None:
        self.proxy = proxy
        self.gate = Gate(Bootstrap(cluster="c", namespace="n", workload="w", pod=uid, keys={"k": dump_key(KEY.public_key())}))

    async def read(self) -> tuple[bytes, bool]:
        """The answer, and whether it was stored."""
        found = await (await self.proxy.caller()).ask(b"/c")
        return found.body, b"; hit" in found.fields[b"cache-status"]

    async def write(self) -> None:
        caller = await self.proxy.caller()
        caller.post(b"/w")
        await caller.answer()

    def command(self, envelope: bytes) -> int:
        """As the admin API does: how much a command met; raises Refused."""
        command, _ = self.gate.command(envelope, 0.0)
        return self.proxy.runtime.command(command).matched


def invalidate(pod: str, sequence: int, key: Ed25519PrivateKey = KEY) -> bytes:
    payload = msgspec.json.encode({"op": "Invalidate"})
    audience = pod_audience("c", "n", "w", pod)
    return sign(key, "k", kind="Command", audience=audience, sequence=sequence, payload=payload, expires=60).encode()


@asynccontextmanager
async def pods(clock: ManualClock) -> AsyncIterator[tuple[Pod, Pod]]:
    """Two of one workload, each with an answer from before any write."""
    settings = {"clock": clock, "cache": (cache_rule(ttl_ms=int(TTL * 1_000)),), "invalidations": (invalidation(),)}
    async with RawUpstream(Counting()) as up, proxied(up.port, **settings) as one, proxied(up.port, **settings) as two:  # type: ignore[arg-type]  # by name
        found = Pod(one, "1"), Pod(two, "2")
        assert [await pod.read() for pod in found] == [(b"0", False), (b"0", False)]
        yield found


@on_uvloop
async def test_trap_20_a_write_through_another_pod_is_seen_when_the_ttl_is_over_at_the_latest() -> None:
    """There is no word between pods that could be lost: the pod that wrote sees it at once, each other one by its own TTL, which no read
    prolongs."""
    clock = ManualClock()
    async with pods(clock) as (one, two):
        await one.write()
        assert [await pod.read() for pod in (one, two)] == [(b"1", False), (b"0", True)]
        for _ in range(5):
            clock.advance(TTL / 6)
            assert await two.read() == (b"0", True)
        clock.advance(TTL / 6)
        assert await two.read() == (b"1", False)


@on_uvloop
async def test_trap_20_a_pod_that_ends_its_own_answers_all_the_time_takes_none_of_another() -> None:
    """Hostile or broken callers of one pod cost the others nothing."""
    async with pods(ManualClock()) as (one, two):
        for sequence in range(1, 30):
            await one.write()
            assert one.command(invalidate("1", sequence)) == 1
        assert [await pod.read() for pod in (one, two)] == [(b"29", False), (b"0", True)]
        assert two.proxy.service.cache.counters("p").misses == 1


@pytest.mark.parametrize("wrong", ["another pod's", "a workload's", "sent again", "older", "of a stranger's key"])
@on_uvloop
async def test_trap_20_an_invalidation_that_isnt_this_pods_ends_nothing(wrong: str) -> None:
    """Whoever can reach the admin port can't empty a store with what it overheard or made up."""
    async with pods(ManualClock()) as (_, two):
        assert two.command(invalidate("2", 5)) == 1
        assert [await two.read() for _ in range(2)] == [(b"0", False), (b"0", True)]
        envelopes = {
            "another pod's": invalidate("1", 6),
            "a workload's": invalidate("", 6),
            "sent again": invalidate("2", 5),
            "older": invalidate("2", 4),
            "of a stranger's key": invalidate("2", 6, Ed25519PrivateKey.generate()),
        }
        with pytest.raises(Refused):
            two.command(envelopes[wrong])
        assert await two.read() == (b"0", True)


@on_uvloop
async def test_trap_20_a_lost_invalidation_holds_up_no_later_one() -> None:
    """Sequence numbers may have gaps: the next command that comes is carried out, and the control is that it ends the answer."""
    async with pods(ManualClock()) as (one, two):
        await one.write()
        lost = invalidate("2", 1)
        assert await two.read() == (b"0", True)
        assert two.command(invalidate("2", 2)) == 1
        assert await two.read() == (b"1", False)
        with pytest.raises(Refused):  # come late, it is out of date
            two.command(lost)


@on_uvloop
async def test_pods_that_share_their_answers_are_noticed() -> None:
    """Negative control: one sidecar twice."""
    async with pods(ManualClock()) as (one, _):
        two = Pod(one.proxy, "2")
        await one.write()
        assert await two.read() == (b"1", False)
