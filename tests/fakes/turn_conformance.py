"""What both pollers have to do where something changes in the middle of a turn. Drives the turns itself: knows no event loop."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, ClassVar, Self

import pytest

from slipstream_runtime.wire.wires import Kind
from tests.fakes.wired import Noted, pair

MUCH = bytes(range(251)) * 20_000  # more than the kernel takes at once of these sockets


def raised(error: BaseException) -> None:
    raise error


class Turns:
    """A poller that runs when it is told to, and as many connections as were asked for, with the plain sockets at their other ends."""

    def __init__(self, kind: Kind, count: int) -> None:
        self.poller = kind(lambda run: None, raised)
        self.seen = [Noted() for _ in range(count)]
        self.peers = [self._attached(seen) for seen in self.seen]
        self.poller.run()

    def _attached(self, seen: Noted) -> socket.socket:
        near, far = pair()
        far.setblocking(False)
        self.poller.attach(near.detach(), seen)
        return far

    def read(self, peer: socket.socket, size: int) -> bytes:
        """What comes in: so many bytes, and what there is beyond them; fewer where the end comes first."""
        found = bytearray()
        while len(found) < size:
            select.select([peer, self.poller.fileno()], [], [], 10.0)
            self.poller.run()
            try:
                piece = peer.recv(1_000_000)
            except BlockingIOError:
                continue
            if not piece:
                return bytes(found)
            found += piece
        self.poller.run()
        with contextlib.suppress(OSError):
            found += peer.recv(1_000_000)
        return bytes(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.poller.close()
        for peer in self.peers:
            peer.close()


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def fill(fd: int) -> int:
    """Until the kernel doesn't even take a byte more."""
    filled = 0
    for size in (len(MUCH), 1_000, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += os.write(fd, MUCH[:size])
    return filled


class TurnConformance:
    """Derive, and say which `kind`."""

    kind: ClassVar[Kind]

    def turns(self, count: int = 1) -> Turns:
        return Turns(type(self).kind, count)

    @pytest.mark.parametrize(
        ("then", "sent", "heard"),
        [
            (lambda transport: transport.write(b"two"), b"onetwo", []),
            (lambda transport: transport.write(MUCH), b"one" + MUCH, ["pause", "resume"]),
            (lambda transport: transport.write_eof(), b"one", []),
            (lambda transport: transport.close(), b"one", ["lost"]),
            (lambda transport: transport.abort(), b"", ["lost"]),
        ],
        ids=["write", "write much", "end", "close", "abort"],
    )
    def test_what_follows_a_write_in_its_turn(self, then: Callable[[Any], object], sent: bytes, heard: list[str]) -> None:
        with self.turns() as turns:
            (seen,), (peer,) = turns.seen, turns.peers
            seen.react["data"] = lambda transport: (transport.write(b"one"), then(transport))
            peer.send(b"go")
            assert turns.read(peer, len(sent) + ("lost" in heard)) == sent
            assert sorted(what for what in seen.heard if what not in ("made", "data")) == heard
            assert seen.transport.get_write_buffer_size() == 0

    def test_the_end_of_the_other_side_after_a_write_of_its_turn(self) -> None:
        """A first connection writes to a second, whose end is the next event of the same look."""
        with self.turns(2) as turns:
            (first, second), (one, two) = turns.seen, turns.peers
            first.react["data"] = lambda transport: second.transport.write(b"answer")
            one.send(b"go")
            two.shutdown(socket.SHUT_WR)
            assert turns.read(two, 7) == b"answer"
            assert second.heard == ["made", "eof", "lost"]

    def test_a_piece_that_leaves_in_part(self) -> None:
        with self.turns() as turns:
            (seen,), (peer,) = turns.seen, turns.peers
            seen.transport.set_write_buffer_limits(high=len(MUCH) * 3)
            seen.react["data"] = lambda transport: transport.write(MUCH)
            for _ in range(2):
                peer.send(b"go")
                turns.poller.run()
            assert 0 < seen.transport.get_write_buffer_size() < 2 * len(MUCH)
            assert turns.read(peer, len(MUCH) * 2) == MUCH * 2
            assert seen.heard == ["made", "data", "data"]

    def test_a_piece_that_the_kernel_doesnt_take(self) -> None:
        with self.turns() as turns:
            (seen,), (peer,) = turns.seen, turns.peers
            filled: list[int] = []
            seen.react["data"] = lambda transport: (filled.append(fill(transport.fileno())), transport.write(b"one"))
            peer.send(b"go")
            turns.poller.run()
            assert seen.transport.get_write_buffer_size() == 3
            assert turns.read(peer, filled[0] + 3)[filled[0] :] == b"one"
            seen.react["data"] = lambda transport: transport.write(b"two")
            peer.send(b"go")
            assert turns.read(peer, 3) == b"two"

    def test_a_peer_that_resets_before_its_event(self) -> None:
        with self.turns(2) as turns:
            (first, second), (one, two) = turns.seen, turns.peers
            first.react["data"] = lambda transport: (os.read(second.transport.fileno(), 100), reset(two))
            one.send(b"go")
            two.send(b"gone")
            turns.poller.run()
            assert [type(error) for error in second.errors] == [ConnectionResetError]
            assert (second.heard, first.heard) == (["made", "lost"], ["made", "data"])

    def test_a_peer_that_resets_before_what_was_written_leaves(self) -> None:
        with self.turns(2) as turns:
            (first, second), (one, two) = turns.seen, turns.peers
            first.react["data"] = lambda transport: (second.transport.write(b"nobody"), reset(two))
            one.send(b"go")
            turns.poller.run()
            assert [type(error) for error in second.errors] == [ConnectionResetError]
            assert (second.heard, first.heard) == (["made", "lost"], ["made", "data"])

    def test_something_to_read_that_isnt_there_any_more(self) -> None:
        with self.turns(2) as turns:
            (first, second), (one, two) = turns.seen, turns.peers
            first.react["data"] = lambda transport: os.read(second.transport.fileno(), 100)
            one.send(b"go")
            two.send(b"gone")
            turns.poller.run()
            two.send(b"there")
            turns.poller.run()
            assert (second.got, second.heard) == (b"there", ["made", "data"])

    def test_a_connection_that_another_one_pauses_or_ends_before_its_event(self) -> None:
        for act, then in (("pause_reading", "resume_reading"), ("close", "close"), ("abort", "abort")):
            with self.turns(2) as turns:
                (first, second), (one, two) = turns.seen, turns.peers
                first.react["data"] = lambda transport, act=act, second=second: getattr(second.transport, act)()
                one.send(b"go")
                two.send(b"something")
                turns.poller.run()
                assert not second.got
                getattr(second.transport, then)()
                turns.poller.run()
                assert (second.got, second.errors) == ((b"something", []) if act == "pause_reading" else (b"", [None]))

    def test_a_slow_reader_that_writes_when_it_may_again(self) -> None:
        """What it writes from within `resume_writing` leaves as well, whatever turn that is in."""
        with self.turns() as turns:
            (seen,), (peer,) = turns.seen, turns.peers
            seen.react["resume"] = lambda transport: transport.write(b"more")
            seen.transport.write(MUCH)
            assert turns.read(peer, len(MUCH) + 4) == MUCH + b"more"
            seen.react["data"] = lambda transport: transport.write(b"answer")
            peer.send(b"go")
            assert turns.read(peer, 6) == b"answer"
