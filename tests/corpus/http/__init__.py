"""Messages that are framed badly, oddly or just barely well, with what is right to make of each. Reads the files beside it; judges nothing.

A case is `== name | messages state | rule`, then its bytes: one line after the other, joined, with Python's escapes; `*N text` is the text
N times. `messages` counts what must be complete, `state` is open, closed or refused. Behind each request comes TAIL, behind each answer
STRAY, so that a message that ends elsewhere shows. `-h11` or `-llhttp` behind the state: that parser refuses what is accepted here."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

TAIL: Final = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED_STATE: Final = "refused"
STRAY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"


class Case(NamedTuple):
    """`method` and `end` (a FIN follows) are of answers."""

    name: str
    data: bytes
    messages: int
    state: str
    strict: frozenset[str]
    rule: str
    method: bytes = b"GET"
    end: bool = False


def requests() -> list[Case]:
    return [case._replace(data=case.data + TAIL) for case in _read("requests.txt")]


def answers() -> list[Case]:
    return [case if case.end else case._replace(data=case.data + STRAY) for case in _read("answers.txt")]


def _read(name: str) -> list[Case]:
    text = (Path(__file__).parent / name).read_text("utf-8")
    found = [_case(part) for part in text.split("\n== ")[1:]]
    assert len({case.name for case in found}) == len(found), "a name is there twice"
    return found


def _case(text: str) -> Case:
    head, *lines = text.split("\n")
    name, verdict, rule = (part.strip() for part in head.split("|", 2))
    messages, state, *notes = verdict.split()
    method = next((note[1:] for note in notes if note.startswith("@")), "GET")
    strict = frozenset(note[1:] for note in notes if note.startswith("-"))
    data = b"".join(_line(line) for line in lines if line and not line.startswith("#"))
    return Case(name, data, int(messages), state, strict, rule, method.encode(), "fin" in notes)


def _line(line: str) -> bytes:
    times = 1
    if line.startswith("*"):
        count, line = line[1:].split(" ", 1)
        times = int(count)
    return line.encode("ascii").decode("unicode_escape").encode("latin-1") * times
