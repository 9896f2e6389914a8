"""Mutated framing attacks through the whole data path, without sockets: however the bytes are cut, the same goes upstream, and the same
comes back. Here, and not beside the fuzzer, since these connections are those that serve, compiled ones too."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.corpus.http import Case
from tests.fakes.forwarding import Forwarding
from tests.fakes.http_wire import cut
from tests.property.http_fuzz import ANSWERS, REQUESTS, mutated

SEEDS = 600


def attack(dice: Random, cases: list[Case]) -> tuple[Case, bytes, list[bytes]]:
    """One of those that are taken rather than of those that are refused anyway; whole, and cut."""
    case, data = mutated(dice, [case for case in cases if case.messages] if dice.random() < 0.7 else cases)
    return case, data, cut(data, [dice.randrange(len(data) + 1) for _ in range(dice.randint(1, 6))])


async def requests_differ(seed: int) -> Any:
    """A client's bytes that mean something else in pieces; None where they don't."""
    _, data, parts = attack(Random(seed), REQUESTS)
    whole, split = await Forwarding().requests([data]), await Forwarding().requests(parts)
    return None if whole == split else (data, parts, whole, split)


async def answers_differ(seed: int) -> Any:
    """The same of an upstream's."""
    case, data, parts = attack(Random(seed), ANSWERS)
    whole = await Forwarding().answer(case.method, [data], case.end)
    split = await Forwarding().answer(case.method, parts, case.end)
    if whole is None or split is None:
        return None if whole is split else (data, parts, whole, split)
    return None if (whole.start, whole.body) == (split.start, split.body) else (data, parts, whole, split)


@pytest.mark.parametrize("differ", [requests_differ, answers_differ])
async def test_trap_39_how_a_mutated_attack_is_cut_changes_nothing_that_is_sent_on(differ: Any) -> None:
    """The same cases in every run; `make fuzz` has more of them, of the parsers."""
    found = [difference for seed in range(SEEDS) if (difference := await differ(seed)) is not None]
    assert found == []


async def test_the_cases_reach_the_other_side() -> None:
    """Otherwise the above would say little."""
    arrived, answered = 0, 0
    for seed in range(100):
        path = Forwarding()
        await path.requests([attack(Random(seed), REQUESTS)[1]])
        arrived += len(path.forwarded)
        case, data, _ = attack(Random(seed), ANSWERS)
        answered += await Forwarding().answer(case.method, [data], case.end) is not None
    assert min(arrived, answered) > 25, (arrived, answered)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "not forwarded by the proxy"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 slipstream\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "more than a request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n", "refused"),
    ],
)
async def test_what_shouldnt_arrive_upstream_is_noticed(written: bytes, fault: str) -> None:
    """Negative controls of the reading."""
    path = Forwarding()
    client, _ = path.client()
    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await path.connected()
    path.places[0][1].written[:] = [written]
    with pytest.raises(AssertionError, match=fault):
        await path.quiet()


async def test_a_cut_that_changes_what_is_sent_on_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the comparison: some pieces that don't arrive whole."""
    monkeypatch.setitem(globals(), "cut", lambda data, places, cut=cut: [part[:20] for part in cut(data, places)])
    assert any([await requests_differ(seed) for seed in range(60)])
    assert any([await answers_differ(seed) for seed in range(60)])
