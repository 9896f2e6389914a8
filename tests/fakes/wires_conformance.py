"""What every kind of Wires has to do, on real sockets: one suite, run on the loop's transports and on the poller's. No HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from typing import Any, ClassVar

from slipstream_runtime.wire.wires import Wires
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import until
from tests.fakes.wired import PATIENT, WATCHED, Line, Noted, Peer, in_force

LARGE = 1_500_000  # more than the kernel takes at once of these sockets
PATTERN = bytes(range(251)) * (LARGE // 251)


def once(act: Callable[[Any], object]) -> Callable[[Any], object]:
    left = [act]
    return lambda transport: left.pop()(transport) if left else None


def written(transport: Any) -> None:
    with contextlib.suppress(RuntimeError):  # this side has ended already
        transport.write(PATTERN)


class WiresConformance:
    """Derive, and say which `make`."""

    make: ClassVar[Callable[[], Wires]]

    def wires(self) -> Wires:
        return type(self).make()

    @on_uvloop
    async def test_bytes_come_whole_and_in_order(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            await peer.send(PATTERN)
            await until(lambda: len(seen.got) == len(PATTERN))
            assert seen.got == PATTERN

    @on_uvloop
    async def test_bytes_leave_whole_and_in_order_and_a_slow_reader_is_told_of(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.set_write_buffer_limits(high=100_000)
            for at in range(0, len(PATTERN), 50_000):
                seen.transport.write(PATTERN[at : at + 50_000])
            assert seen.heard == ["made", "pause"]
            assert seen.transport.get_write_buffer_size() > 100_000
            assert await peer.read(len(PATTERN)) == PATTERN
            await until(lambda: seen.heard == ["made", "pause", "resume"])
            assert seen.transport.get_write_buffer_size() == 0

    @on_uvloop
    async def test_what_comes_during_a_pause_is_kept_even_the_end(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.pause_reading()
            await peer.send(b"first")
            peer.sock.shutdown(socket.SHUT_WR)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not seen.got
            seen.transport.resume_reading()
            await until(lambda: "lost" in seen.heard)
            assert (seen.got, seen.heard) == (b"first", ["made", "data", "eof", "lost"])
            assert seen.errors == [None]

    @on_uvloop
    async def test_pausing_within_a_read_stops_the_next(self) -> None:
        seen = Noted()
        seen.react["data"] = lambda transport: transport.pause_reading()
        async with Line(self.wires(), seen) as peer:
            sending = asyncio.create_task(peer.send(PATTERN))
            reads = 0
            while len(seen.got) < len(PATTERN):
                reads += 1
                await until(lambda: seen.heard.count("data") == reads)  # noqa: B023  # asked at once
                for _ in range(3):
                    await asyncio.sleep(0)
                assert seen.heard.count("data") == reads
                seen.transport.resume_reading()
            await sending
            assert seen.got == PATTERN

    @on_uvloop
    async def test_a_side_that_has_ended_can_still_be_answered(self) -> None:
        seen = Noted()
        seen.stays = True
        async with Line(self.wires(), seen) as peer:
            peer.sock.shutdown(socket.SHUT_WR)
            await until(lambda: "eof" in seen.heard)
            seen.transport.write(PATTERN)
            seen.transport.close()
            assert seen.transport.is_closing()
            assert await peer.read(len(PATTERN) + 1) == PATTERN
            await until(lambda: seen.errors == [None])

    @on_uvloop
    async def test_the_end_of_this_side_follows_what_was_written_and_the_other_goes_on(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.write(PATTERN)
            seen.transport.write_eof()
            assert seen.transport.can_write_eof()
            assert await peer.read(len(PATTERN) + 1) == PATTERN
            await peer.send(b"still there")
            await until(lambda: seen.got == b"still there")

    @on_uvloop
    async def test_closing_sends_what_was_written_and_nothing_after(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.write(PATTERN)
            seen.transport.close()
            assert await peer.read(len(PATTERN) + 1) == PATTERN
            await until(lambda: seen.errors == [None])
            assert not seen.got

    @on_uvloop
    async def test_an_aborted_connection_is_told_so_once_and_later(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.write(PATTERN)
            seen.transport.abort()
            seen.transport.abort()
            assert "lost" not in seen.heard
            await until(lambda: seen.errors == [None])
            assert len(await peer.read(len(PATTERN))) < len(PATTERN)

    @on_uvloop
    async def test_a_reset_is_an_error(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            peer.reset()
            await until(lambda: seen.errors)
            assert isinstance(seen.errors[0], OSError)
            assert "eof" not in seen.heard

    @on_uvloop
    async def test_a_reset_ends_a_connection_that_only_writes(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.pause_reading()
            seen.transport.write(PATTERN)
            peer.reset()
            await until(lambda: seen.errors)
            assert isinstance(seen.errors[0], OSError)

    @on_uvloop
    async def test_what_a_peer_said_before_its_reset_is_heard_even_while_it_takes_nothing(self) -> None:
        """A server that refuses a body answers, and closes what it hasn't read."""
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            seen.transport.write(PATTERN)
            assert "pause" in seen.heard
            peer.sock.send(b"refused")
            peer.sock.close()  # a reset, since there is unread data
            await until(lambda: seen.errors)
            assert isinstance(seen.errors[0], OSError)
            assert seen.got == b"refused"

    @on_uvloop
    async def test_another_protocol_hears_what_comes_from_then_on(self) -> None:
        seen, other = Noted(), Noted()
        async with Line(self.wires(), seen) as peer:
            await peer.send(b"one")
            await until(lambda: seen.got)
            seen.transport.set_protocol(other)
            await peer.send(b"two")
            await until(lambda: other.got)
            assert (seen.got, other.got) == (b"one", b"two")
            seen.transport.set_protocol(seen)

    @on_uvloop
    async def test_everything_may_be_done_at_every_moment(self) -> None:
        """Writes, closes and aborts from within what the protocol hears."""
        for moment in ("made", "data", "eof", "pause", "resume"):
            for act in (
                lambda transport: transport.write(b"from within"),
                lambda transport: transport.close(),
                lambda transport: transport.abort(),
                lambda transport: (transport.pause_reading(), transport.resume_reading(), transport.write(b"x"), transport.write_eof()),
            ):
                seen = Noted()
                seen.react["data"] = written
                seen.react[moment] = once(act)
                async with Line(self.wires(), seen) as peer:
                    reading = asyncio.create_task(peer.read(LARGE * 2))
                    try:
                        await peer.send(b"go")
                        peer.sock.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass  # it has gone
                    await until(lambda: "lost" in seen.heard)  # noqa: B023  # asked at once
                    await asyncio.wait([reading])
                    assert reading.done()
                    reading.exception()

    @on_uvloop
    async def test_urgent_data_doesnt_hold_what_follows(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            peer.sock.send(b"before")
            peer.sock.send(b"!", socket.MSG_OOB)
            peer.sock.send(b"after")
            await until(lambda: seen.got == b"beforeafter")

    @on_uvloop
    async def test_it_knows_where_it_leads(self) -> None:
        seen = Noted()
        async with Line(self.wires(), seen) as peer:
            assert tuple(seen.transport.get_extra_info("peername")) == peer.sock.getsockname()
            assert tuple(seen.transport.get_extra_info("sockname")) == peer.sock.getpeername()
            assert seen.transport.get_extra_info("cipher") is None

    @on_uvloop
    async def test_a_dialled_connection_finds_out_that_its_path_is_dead(self) -> None:
        """By the kernel's own questions: they are in force; how long what was sent may be in doubt is, where it was asked for. Negative
        control: the other end, which nobody asked to, has none of it."""
        wires, loop = self.wires(), asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            for bounded in (True, False):
                transport, _ = await wires.connect(Noted, *listener.getsockname(), bounded)
                peer, (_, port) = await loop.sock_accept(listener)
                with peer:
                    assert in_force(port) == (WATCHED if bounded else PATIENT)
                    other = {option: peer.getsockopt(*option) for option in WATCHED}
                    assert other[socket.IPPROTO_TCP, socket.TCP_KEEPIDLE] != 15
                transport.abort()
        wires.close()

    @on_uvloop
    async def test_a_random_exchange_loses_nothing(self) -> None:
        """Both sides send pieces of every size, pause and go on; each gets what the other sent."""
        for seed in range(30):
            chance = random.Random(seed)
            seen = Noted()
            async with Line(self.wires(), seen) as peer:
                size = chance.randrange(1, 600_000)
                sending = asyncio.create_task(self._in_pieces(peer, PATTERN[:size], chance))
                reading = asyncio.create_task(peer.read(size))
                at = 0
                while at < size:
                    piece = chance.choice((1, 100, 5_000, 70_000))
                    seen.transport.write(PATTERN[at : min(size, at + piece)])
                    at += piece
                    chance.choice((seen.transport.pause_reading, seen.transport.resume_reading))()
                    if chance.random() < 0.3:
                        await asyncio.sleep(0)
                seen.transport.resume_reading()
                assert await reading == PATTERN[:size]
                await sending
                await until(lambda: len(seen.got) == size)  # noqa: B023  # asked at once
                assert seen.got == PATTERN[:size]

    async def _in_pieces(self, peer: Peer, data: bytes, chance: random.Random) -> None:
        at = 0
        while at < len(data):
            piece = chance.choice((1, 100, 5_000, 70_000))
            await peer.send(data[at : at + piece])
            at += piece
