"""Compares what the data path makes of some bytes with what the second parsers make of them. A disagreement is a sentence; none is good.

The rule: what is accepted here ends exactly where both others end it, and is the same message; they may refuse it, where that is known.
What is refused here needs no second opinion: more may be refused, nothing may be framed differently."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakes.http_references import REFERENCES, Reading, Reference
from tests.fakes.http_wire import OPEN, Message, answer_in, octets, requests_in


def request_disagreements(data: bytes, may_refuse: Iterable[str] = ()) -> list[str]:
    """About a client's bytes. Read byte by byte, so that each message's end is known exactly."""
    outcome = requests_in(octets(data)).outcome()
    found: list[str] = []
    at = 0
    for message in outcome.messages:
        for reference in REFERENCES:
            found += _compared(reference, message, reference.requests(data[at : message.end]), may_refuse)
            if reference.requests(data[at : message.end - 1]).complete:
                found.append(f"{reference.name} ends {message.start} before byte {message.end}")
        at = message.end
    if outcome.state == OPEN:
        found += [f"{reference.name} sees a message where we wait" for reference in REFERENCES if reference.requests(data[at:]).complete]
    return found


def answer_disagreements(data: bytes, method: bytes, end: bool, may_refuse: Iterable[str] = ()) -> list[str]:
    """About an upstream's bytes."""
    outcome = answer_in(octets(data), method, end).outcome()
    found: list[str] = []
    for reference in REFERENCES:
        for message in outcome.messages:
            whole = reference.answers(data[: message.end], method, end)
            if whole is None:
                continue
            if end and not whole.complete and not whole.refused:
                whole = whole._replace(complete=1)  # it can't be told of the FIN
            found += _compared(reference, message, whole, may_refuse)
            before = reference.answers(data[: message.end - 1], method, False)
            if before is not None and before.complete:
                found.append(f"{reference.name} ends the answer before byte {message.end}")
        reading = reference.answers(data, method, False)
        if not outcome.messages and outcome.state == OPEN and reading is not None and reading.complete:
            found.append(f"{reference.name} sees an answer where we wait")
    return found


def _compared(reference: Reference, message: Message, reading: Reading, may_refuse: Iterable[str]) -> list[str]:
    if reading.refused:
        return [] if reference.name in may_refuse else [f"{reference.name} refuses {message.start}: {reading.refused}"]
    if reading.complete != 1 or reading.rest > 0:
        return [f"{reference.name} sees {reading.complete} messages and {reading.rest} bytes more in {message.start}"]
    if reading.body != message.body:
        return [f"{reference.name} reads the body {reading.body!r} for {message.body!r}"]
    if _seen(reading.start) != message.start[: len(reading.start)]:
        return [f"{reference.name} reads {reading.start} for {message.start}"]
    return []


def _seen(start: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """With the target as we forward it: an absolute form's path (RFC 9112 §3.2.2)."""
    if len(start) < 2 or start[1][:1] == b"/" or b"://" not in start[1]:
        return start
    rest = start[1].partition(b"://")[2]
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    path = rest[cut:]
    return start[0], path if path[:1] == b"/" else b"/" + path
