"""The corpus of framing attacks through our own parser and two others. What we accept ends where they end it, however it is cut."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.upstream import UpstreamConnection
from tests.corpus.http import Case, answers, requests
from tests.fakes.http_judge import answer_disagreements, request_disagreements
from tests.fakes.http_wire import OPEN, answer_in, cut, octets, requests_in

REQUESTS, ANSWERS = requests(), answers()


def _id(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", REQUESTS, ids=_id)
def test_trap_39_a_request_is_framed_as_two_other_parsers_frame_it_or_refused(case: Case) -> None:
    """And what the corpus says becomes of it."""
    outcome = requests_in(octets(case.data)).outcome()
    assert (len(outcome.messages), outcome.state) == (case.messages, case.state), case.rule
    assert not any(message.start[1] == b"/smuggled" for message in outcome.messages)
    if case.state == OPEN and case.messages:
        assert outcome.messages[-1].start[1] == b"/next"
    assert request_disagreements(case.data, case.strict) == []


@pytest.mark.parametrize("case", ANSWERS, ids=_id)
def test_trap_39_an_answer_is_framed_as_two_other_parsers_frame_it_or_refused(case: Case) -> None:
    """And bytes behind it never become the next answer: the connection isn't reused."""
    recorder = answer_in(octets(case.data), case.method, case.end)
    outcome = recorder.outcome()
    assert (len(outcome.messages), outcome.state) == (case.messages, case.state), case.rule
    assert not any(b"smuggled" in message.body for message in outcome.messages)
    assert not recorder.reusable
    assert answer_disagreements(case.data, case.method, case.end, case.strict) == []


@pytest.mark.parametrize("case", REQUESTS + ANSWERS, ids=_id)
def test_trap_39_how_the_bytes_are_cut_changes_nothing(case: Case) -> None:
    """Whole, byte by byte, and at random places."""
    dice = Random(case.name)
    cuts = [[case.data], *(cut(case.data, [dice.randrange(len(case.data)) for _ in range(dice.randint(1, 4))]) for _ in range(6))]
    if case in REQUESTS:
        read: Callable[[list[bytes]], Any] = lambda parts: requests_in(parts).outcome().readings()  # noqa: E731 - one of two
    else:
        read = lambda parts: answer_in(parts, case.method, case.end).outcome().readings()  # noqa: E731
    byte_by_byte = read(octets(case.data))
    assert [parts for parts in cuts if read(parts) != byte_by_byte] == []


def _judged(case: Case) -> list[str]:
    if case in REQUESTS:
        return request_disagreements(case.data, case.strict)
    return answer_disagreements(case.data, case.method, case.end, case.strict)


@pytest.mark.parametrize(("place", "cases"), [(Client, REQUESTS), (UpstreamConnection, ANSWERS)], ids=["requests", "answers"])
def test_a_connection_that_loses_octets_between_reads_fails_the_corpus(
    place: Any, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control, of the connections, which stay ordinary Python where the parsers are compiled; test_http_corpus_controls has the
    parsers' own."""
    received = place.data_received
    monkeypatch.setattr(place, "data_received", lambda self, data: received(self, data[: len(data) - (data == b"l")]))
    assert any(_judged(case) for case in cases)
