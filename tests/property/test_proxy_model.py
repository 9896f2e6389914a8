"""Sessions, writes, failures, deadlines, reloads and callers that leave, in any order, through the whole data path: who gets what.

Each answer of the upstream names whose it is and which version it shows; each write has a body, sent in pieces, that an upstream gets
whole and once, or not at all. Of every answer that a caller gets, by whatever way it came, is
checked that it is the caller's own and no older than what the caller could know when it asked. When all is quiet, every slot, permit,
place, write and flight is back, and a good upstream is heard again. Drawn from fixed seeds: races need many steps."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from slipstream_runtime.cores.generations import Generations, Snapshot
from slipstream_runtime.cores.grace import GraceRule
from slipstream_runtime.cores.key import KeyReader
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.driver import PoolDriver
from slipstream_runtime.proxy.permit import Permit
from slipstream_runtime.proxy.sending import Sending
from slipstream_runtime.proxy.upstream import UpstreamConnection
from tests.fakes.proxy_model import Model

EPISODES, STEPS = 2_000, 60


def run(episodes: int, seed: int = 0) -> Model:
    ways: set[bytes] = set()
    steps = 0
    for episode in range(episodes):
        model = Model(Random(seed * 1_000_003 + episode))
        for _ in range(STEPS):
            model.step()
        model.settle()
        ways |= model.ways
        steps += model.steps
    model.ways, model.steps = ways, steps
    return model


def test_trap_02_09_and_28_every_answer_is_right_and_everything_comes_back() -> None:
    """More than a hundred thousand steps; every way that an answer can come is among them."""
    model = run(EPISODES)
    assert model.steps >= 100_000
    for way in (
        b"hit",
        b"collapsed",
        b"stored",
        b"detail=stale-while-revalidate",
        b"fwd-status=304",
        b"detail=status-503",
        b"detail=max-stale",
        b"detail=DeadlineExceeded",
        b"confirmed",
        b"a slow body",
        b"answered before the body's end",
    ):
        assert any(way in found for found in model.ways), (way, sorted(model.ways))


def without_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    read = KeyReader.read
    monkeypatch.setattr(KeyReader, "read_head", lambda self, method, target, head, has_body: _same(read(self, method, target, head.fields)))


def _same(request: Any) -> Any:
    request.key = b"one key for all."
    return request


def blind_to_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Snapshot, "current", lambda self: True)
    monkeypatch.setattr(Snapshot, "writing", lambda self: False)
    monkeypatch.setattr(Generations, "holds", lambda self, marks, tags: True)


def permits_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Permit, "release", lambda self: None)


def slots_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoolDriver, "lost", lambda self, connection: None)


def served_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraceRule, "confirmed", lambda self, directives: self.kept)


def handed_on_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CachedExchange, "_hand_out", lambda self, storing, head, body, status, now: self._land(head, body, status))


def octets_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    send = UpstreamConnection.send
    monkeypatch.setattr(UpstreamConnection, "send", lambda self, data, complete: send(self, data[:-1], complete))


def half_a_request_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    start = UpstreamConnection.start
    monkeypatch.setattr(
        UpstreamConnection, "start", lambda self, sink, method, data, complete, binds=False: start(self, sink, method, data, True, binds)
    )


def writes_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sending, "idempotent", True)


FAULTS = [
    without_partition,
    blind_to_writes,
    permits_kept,
    slots_kept,
    served_unconfirmed,
    handed_on_unconfirmed,
    octets_lost,
    half_a_request_is_whole,
    writes_are_sent_again,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls: each of these has been somebody's bug."""
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        run(EPISODES // 4)
