"""What a connection in Python says of itself in one flag is true, whatever is done to it, and is said again once all is as usual."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest

from slipstream_runtime.wire.poller import Poller
from slipstream_runtime.wire.transport import IN_A_ROW, SMALL_READ, Wire
from tests.fakes.turn_conformance import MUCH, Turns

PIECES = (1, 100, SMALL_READ, 70_000, 400_000)


def true_of(wire: Wire) -> None:
    ended = wire._closing or wire.lost
    if wire.plain:
        assert not any((ended, wire._paused, wire._read_end, wire.hangs_up, wire.blocked))
        assert not any((wire._ready, wire.in_ready, wire._in_a_row))
    if wire.idle:
        assert not any((ended, wire._end_wanted, wire._held, wire.blocked, wire.in_dirty))
        assert not any((wire.piece, wire._out, wire.unsent))
    if wire.piece is not None:
        assert not any((ended, wire._end_wanted, wire.idle, wire._out, wire.in_dirty))
        assert wire.unsent == len(wire.piece)
    if wire.fd >= 0:
        assert wire.unsent == len(wire.piece or b"") + sum(len(piece) for piece in wire._out)


def act(wire: Wire, chance: random.Random, ends: bool) -> None:
    """Anything that a protocol may do, also of another connection."""
    match chance.randrange(10):
        case 0 | 1 | 2 | 3 | 4:
            if not wire._end_wanted:
                wire.write(MUCH[: chance.choice(PIECES)])
        case 5:
            wire.pause_reading()
        case 6 | 7:
            wire.resume_reading()
        case 8:
            wire.set_write_buffer_limits(chance.choice((0, 100, 65_536, 1_000_000)))
        case 9 if ends and chance.random() < 0.2:
            chance.choice((wire.close, wire.abort, wire.write_eof))()
    true_of(wire)


def peer_acts(peer: socket.socket, chance: random.Random, ends: bool) -> None:
    try:
        match chance.randrange(8):
            case 0 | 1 | 2:
                peer.send(MUCH[: chance.choice(PIECES)])
            case 3 | 4 | 5 | 6:
                peer.recv(chance.choice(PIECES))
            case 7 if ends and chance.random() < 0.1:
                chance.choice((lambda: peer.shutdown(socket.SHUT_WR), lambda: peer.send(b"!", socket.MSG_OOB)))()
    except OSError:
        pass  # full, empty, or gone


@pytest.mark.parametrize("ends", [True, False])
def test_what_a_connection_says_of_itself_is_true(ends: bool) -> None:
    for seed in range(60):
        chance = random.Random(seed)
        with Turns(Poller, 4) as turns:
            wires: list[Wire] = [seen.transport for seen in turns.seen]

            def any_acts(transport: Any, wires: list[Wire] = wires, chance: random.Random = chance) -> None:
                true_of(transport)
                act(chance.choice(wires), chance, ends)

            def reads(transport: Wire, turns: Turns = turns, any_acts: Any = any_acts, wires: list[Wire] = wires) -> None:
                any_acts(transport)
                for wire in wires:
                    assert turns.poller.dirty.count(wire) == wire.in_dirty + (wire.piece is not None)

            for seen in turns.seen:
                seen.react.update(data=reads, pause=any_acts, resume=any_acts, eof=any_acts)
            for _ in range(100):
                act(chance.choice(wires), chance, ends)
                peer_acts(chance.choice(turns.peers), chance, ends)
                turns.poller.run()
                for wire in wires:
                    true_of(wire)
                    assert wire.piece is None
            assert not turns.poller.dirty


def test_it_is_said_again_once_all_is_as_usual() -> None:
    """Else the next reads and writes would be right, and slower for good."""
    with Turns(Poller, 1) as turns:
        (seen,), (peer,) = turns.seen, turns.peers
        wire: Wire = seen.transport
        wire.write(MUCH)
        wire.pause_reading()
        peer.send(b"x" * SMALL_READ)
        turns.poller.run()
        assert not any((wire.idle, wire.plain))
        wire.resume_reading()
        assert turns.read(peer, len(MUCH)) == MUCH
        peer.send(b"x")
        turns.poller.run()
        assert wire.idle
        assert wire.plain


def test_a_read_that_isnt_full_ends_the_row_and_a_connection_that_waits_for_its_next_turn_has_it_once() -> None:
    with Turns(Poller, 1) as turns:
        (seen,), (peer,) = turns.seen, turns.peers
        for _ in range(IN_A_ROW):
            peer.send(b"x" * SMALL_READ)
            turns.poller.run()
            peer.send(b"x")
            turns.poller.run()
        assert seen.transport.read_size == SMALL_READ
