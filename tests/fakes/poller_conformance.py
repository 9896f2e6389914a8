"""What both pollers have to do beside what all wires do: one send a turn, nothing left behind, nothing that crashes them."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import weakref
from typing import Any, ClassVar

import pytest

from slipstream_runtime.wire.wires import Kind, PollerWires, Wires
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import until
from tests.fakes.wired import Line, Noted, Peer, pair
from tests.fakes.wires_conformance import PATTERN


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class PollerConformance:
    """Derive, and say which `kind`."""

    kind: ClassVar[Kind]

    def wires(self) -> Wires:
        return PollerWires(type(self).kind)

    @on_uvloop
    async def test_what_a_turn_writes_leaves_in_one_piece(self) -> None:
        seen = Noted()
        waiting: list[int] = []

        def answer(transport: Any) -> None:
            for piece in (b"one", b"two", b"three"):
                transport.write(piece)
            waiting.append(transport.get_write_buffer_size())

        seen.react["data"] = answer
        async with Line(self.wires(), seen) as peer:
            await peer.send(b"go")
            assert await asyncio.get_running_loop().sock_recv(peer.sock, 100) == b"onetwothree"
            assert waiting == [11]
            assert seen.transport.get_write_buffer_size() == 0
            seen.transport.write(b"beside a turn")  # the control: at once
            assert seen.transport.get_write_buffer_size() == 0

    @on_uvloop
    async def test_a_protocol_that_raises_ends_its_connection_and_no_other(self) -> None:
        told: list[Any] = []
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        wires = self.wires()

        def fail(transport: Any) -> None:
            raise ValueError("wrong")

        for moment in ("data", "eof", "pause", "resume", "lost"):
            good, bad = Noted(), Noted()
            bad.react[moment] = fail
            bad.react.setdefault("data", lambda transport: transport.write(PATTERN))
            async with Line(wires, good) as peer, Line(wires, bad) as other:
                reading = asyncio.create_task(other.read(len(PATTERN) + 1))
                await other.send(b"go")
                other.sock.shutdown(socket.SHUT_WR)
                await until(lambda: told)
                assert isinstance(told[0], ValueError)
                await peer.send(b"still here")
                await until(lambda: good.got == b"still here")  # noqa: B023  # asked at once
                await asyncio.wait([reading])
                reading.exception()
            told.clear()
        loop.set_exception_handler(handler)

    @on_uvloop
    async def test_what_isnt_an_ordinary_error_doesnt_stop_the_turn_either(self) -> None:
        """A cancelled future's result, say: the events of the same look, which the kernel tells once, aren't lost with it."""
        told: list[BaseException] = []
        loop = asyncio.get_running_loop()
        poller = type(self).kind(loop.call_soon, told.append)

        def fail(transport: Any) -> None:
            raise asyncio.CancelledError

        bad, good = Noted(), Noted()
        bad.react["data"] = bad.react["lost"] = fail
        ends = [pair(), pair()]
        for (near, far), seen in zip(ends, (bad, good), strict=True):
            far.send(b"x")
            poller.attach(near.detach(), seen)
        poller.run()
        assert (bad.heard, good.heard) == (["made", "data", "lost"], ["made", "data"])
        assert [type(error) for error in told] == [asyncio.CancelledError] * 2
        poller.close()
        for _, far in ends:
            far.close()

    @on_uvloop
    async def test_bytes_that_act_when_they_are_freed_are_sent_once(self) -> None:
        seen = Noted()

        class Acting(bytes):
            def __del__(self) -> None:
                for number in range(20):
                    seen.transport.write(b"%02d" % number)

        def answer(transport: Any) -> None:
            for piece in (b"one", b"two"):
                transport.write(Acting(piece))
            transport.write(b"three")

        seen.react["data"] = answer
        async with Line(self.wires(), seen) as peer:
            await peer.send(b"go")
            numbers = b"".join(b"%02d" % number for number in range(20))
            expected = len(b"onetwothree") + 2 * len(numbers)
            found = await peer.read(expected)
            assert (len(found), found.count(numbers), found.startswith(b"one")) == (expected, 2, True)
            assert seen.transport.get_write_buffer_size() == 0

    @on_uvloop
    async def test_connections_leave_nothing_behind(self) -> None:
        wires = self.wires()
        async with Line(wires, Noted()):
            pass
        before = descriptors()
        left: list[weakref.ref[Noted]] = []
        for number in range(200):
            seen = Noted()
            left.append(weakref.ref(seen))
            async with Line(wires, seen) as peer:
                await peer.send(b"x" * number)
                seen.transport.write(PATTERN[: number * 1_000])
            del seen, peer
        assert descriptors() == before
        assert not [one for one in left if one() is not None]

    @on_uvloop
    async def test_a_forgotten_poller_is_collected_with_its_connections(self) -> None:
        before = descriptors()
        loop = asyncio.get_running_loop()
        poller = type(self).kind(loop.call_soon, lambda error: None)
        near, far = pair()
        seen = Noted()
        poller.attach(near.detach(), seen)
        gone = weakref.ref(seen)
        del poller, seen
        gc.collect()
        assert gone() is None
        far.close()
        assert descriptors() == before

    @on_uvloop
    async def test_garbage_is_collected_in_the_middle_of_a_turn(self) -> None:
        """Connections that wait in the poller's queues are neither lost nor freed too early."""
        wires = self.wires()
        many = [Noted() for _ in range(50)]
        for seen in many:
            seen.react["data"] = lambda transport: (transport.write(b"a"), gc.collect(0))
        lines = [Line(wires, seen) for seen in many]
        peers = [await line.__aenter__() for line in lines]
        for _ in range(3):
            gc.collect()
            await asyncio.gather(*(peer.send(PATTERN[:100_000]) for peer in peers))
        await until(lambda: all(len(seen.got) == 300_000 for seen in many))
        for line in lines:
            await line.__aexit__()

    @on_uvloop
    async def test_a_closed_poller_hears_nothing_and_takes_nobody(self) -> None:
        wires = self.wires()
        seen = Noted()
        near, far = pair()
        peer = Peer(far)
        wires.accepted(near, lambda: seen)
        assert seen.transport.fileno() >= 0
        wires.close()
        assert await peer.read(1) == b""
        seen.transport.write(b"nobody")
        seen.transport.abort()
        for _ in range(5):
            await asyncio.sleep(0)
        assert "lost" not in seen.heard
        far.close()

    @on_uvloop
    async def test_a_poller_isnt_closed_by_what_it_looks_at(self) -> None:
        loop = asyncio.get_running_loop()
        poller = type(self).kind(loop.call_soon, lambda error: None)
        loop.add_reader(poller.fileno(), poller.run)
        refused: list[BaseException] = []

        def close(transport: Any) -> None:
            try:
                poller.close()
            except RuntimeError as error:
                refused.append(error)

        seen = Noted()
        seen.react["data"] = close
        near, far = pair()
        poller.attach(near.detach(), seen)
        far.send(b"x")
        await until(lambda: seen.got)
        assert refused
        loop.remove_reader(poller.fileno())
        poller.close()
        with pytest.raises(RuntimeError):
            poller.attach(far.fileno(), seen)
        far.close()

    @on_uvloop
    async def test_what_is_written_after_the_end_is_dropped(self) -> None:
        for end in ("close", "abort"):
            seen = Noted()
            async with Line(self.wires(), seen):
                getattr(seen.transport, end)()
                seen.transport.write(b"at once")
                await until(lambda: seen.errors == [None])  # noqa: B023  # asked at once
                seen.transport.write(b"later")
                assert seen.transport.fileno() == -1
                assert seen.transport.get_extra_info("peername", "gone") == "gone"

    @on_uvloop
    async def test_wrong_arguments_are_refused(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen):
            for wrong in ("text", None, bytearray(b"x"), 1):
                with pytest.raises(TypeError):
                    seen.transport.write(wrong)
            with pytest.raises(ValueError, match="high"):
                seen.transport.set_write_buffer_limits(high=1, low=2)
            seen.transport.write_eof()
            with pytest.raises(RuntimeError):
                seen.transport.write(b"after the end")
        poller = type(self).kind(asyncio.get_running_loop().call_soon, lambda error: None)
        with pytest.raises(OSError, match="file descriptor"):
            poller.attach(1_000_000, seen)
