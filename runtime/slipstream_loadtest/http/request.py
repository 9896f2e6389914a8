"""A plan's HTTP steps as bytes that are ready to send, and what makes their answers right. Pure: opens nothing, reads no clock.

Whatever can be rendered before the run is: once per target (constant text, every row of the data lists), then once per user.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from slipstream_loadtest.http.answer import Answer, Fill, Search, TakenValue, Values, compiled, taken_value
from slipstream_loadtest.plan.draws import row
from slipstream_loadtest.plan.rows import columns, turn_row, user_row
from slipstream_loadtest.plan.scenarios import DataList, HttpRequest, Scenario, Step
from slipstream_loadtest.plan.template import Encoding, TemplateError, as_is, in_header, in_json, in_path, parse

USER_AGENT: Final = "slipstream-loadtest"
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class _Mark(Enum):
    """Places that are filled per user or per iteration."""

    USER = "user"
    SESSION = "session"
    ITERATION = "iteration"


@dataclass(frozen=True, slots=True)
class _Rows:
    """A place for a row of a data list that is drawn, every row encoded already."""

    number: int
    values: tuple[bytes, ...]


class _Turns(_Rows):
    """A place for the row whose turn it is."""


class _Own(_Rows):
    """A place for a user's own row, known once the user is."""


_PLACES: Final = {"Random": _Rows, "Sequential": _Turns, "UniquePerUser": _Own}


@dataclass(frozen=True, slots=True)
class _Taken:
    """A place for what an earlier step of the iteration has extracted."""

    name: str
    encoding: Encoding


Piece = bytes | _Rows | _Mark | _Taken
Pieces = tuple[Piece, ...]


class BoundStep:
    """One step of one user. `render` is the hot path. `answer`: what is asked of answers beyond their status, None: nothing."""

    __slots__ = ("_body", "_head", "answer", "extracts", "fixed", "head_only", "statuses")

    def __init__(self, head: Pieces, body: Pieces, answer: Answer, step: CompiledStep) -> None:
        self._head = head
        self._body = body
        self.answer = answer if answer != Answer() else None
        self.extracts = bool(answer.taken)
        self.fixed = _fixed_request(head, body)
        self.statuses = step.statuses
        self.head_only = step.method == "HEAD"

    def render(self, iteration: int, drawn: int, values: Values | None = None) -> bytes:
        """The bytes of the request; those of a request that never changes are `fixed`."""
        if self.fixed is not None:
            return self.fixed
        head = _render(self._head, iteration, drawn, values)
        if not self._body:
            return head
        body = _render(self._body, iteration, drawn, values)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """One step of a scenario, for any user. `head` ends the headers where there is no body."""

    method: str
    head: Pieces
    body: Pieces
    contains: tuple[Pieces, ...]
    statuses: frozenset[int]
    headers: tuple[tuple[bytes, Pieces], ...] = ()
    json: tuple[tuple[Search, Pieces | None], ...] = ()
    taken: tuple[TakenValue, ...] = ()

    def bind(self, user: int, session: str) -> BoundStep:
        """The step as one user does it."""
        fill = {_Mark.USER: str(user).encode(), _Mark.SESSION: session.encode()}

        def filled(pieces: Pieces) -> Fill:
            return partial(_render, _bound(pieces, fill, user))

        answer = Answer(
            contains=tuple(filled(text) for text in self.contains),
            headers=tuple((name, filled(value)) for name, value in self.headers),
            json=tuple((search, None if value is None else filled(value)) for search, value in self.json),
            taken=self.taken,
        )
        return BoundStep(_bound(self.head, fill, user), _bound(self.body, fill, user), answer, self)


def compile_scenarios(
    scenarios: Sequence[Scenario], data: Sequence[DataList], host: str, base_path: str = "", *, reuse: bool = True
) -> tuple[tuple[CompiledStep, ...], ...]:
    """All steps of all scenarios for one target. Raises TemplateError with the step's name for what can't be sent."""
    return tuple(_compile_scenario(scenario, data, host, base_path, reuse) for scenario in scenarios)


def _compile_scenario(scenario: Scenario, data: Sequence[DataList], host: str, base_path: str, reuse: bool) -> tuple[CompiledStep, ...]:
    """A step knows what the steps before it extract."""
    made: list[CompiledStep] = []
    known: set[str] = set()
    in_headers = {name for step in scenario.steps for _, value in step.http.headers for name in _names(value)}
    for step in scenario.steps:
        try:
            taken = tuple(taken_value(one, one.name in in_headers) for one in step.extract)
            made.append(_compile_step(step, data, host, base_path, reuse, frozenset(known), taken))
        except TemplateError as error:
            raise TemplateError(f"step {step.name}: {error}") from None
        known |= {one.name for one in taken}
    return tuple(made)


def _compile_step(
    step: Step, data: Sequence[DataList], host: str, base_path: str, reuse: bool, known: frozenset[str], taken: tuple[TakenValue, ...]
) -> CompiledStep:
    request, expect = step.http, step.expect
    head, body = _request_pieces(request, data, host, base_path, reuse, known)
    return CompiledStep(
        method=request.method,
        head=head,
        body=body,
        contains=tuple(_pieces(text, data, as_is, known) for text in expect.contains),
        statuses=frozenset(expect.status),
        headers=tuple((name.lower().encode(), _pieces(value, data, as_is, known)) for name, value in expect.headers),
        json=tuple(
            (compiled(check.expression), None if check.equals is None else _pieces(check.equals, data, as_is, known))
            for check in expect.json
        ),
        taken=taken,
    )


def _names(text: str) -> list[str]:
    return re.findall(r"\$\{([^{}]*)\}", text)


def _request_pieces(
    request: HttpRequest, data: Sequence[DataList], host: str, base_path: str, reuse: bool, known: frozenset[str]
) -> tuple[Pieces, Pieces]:
    if not request.method or not _TOKEN.issuperset(request.method):
        raise TemplateError(f"method {request.method!r} isn't a token")
    if not request.path.startswith("/") or any(c <= " " or ord(c) >= 127 for c in request.path):
        raise TemplateError(f"path {request.path!r} must start with / and hold no spaces or control characters: percent-encode them")
    named = {name.lower(): value for name, value in request.headers}
    pieces: list[Piece] = [f"{request.method} {base_path.rstrip('/')}".encode(), *_pieces(request.path, data, in_path, known)]
    pieces.append(b" HTTP/1.1\r\n" + (b"" if "host" in named else f"Host: {host}\r\n".encode()))
    if "user-agent" not in named:
        pieces.append(f"User-Agent: {USER_AGENT}\r\n".encode())
    if request.body and "content-type" not in named:
        pieces.append(b"Content-Type: application/json\r\n")
    for name, value in request.headers:
        pieces += _header(name, value, data, known)
    if not reuse:
        pieces.append(b"Connection: close\r\n")
    as_json = "json" in named.get("content-type", "json")
    body = _pieces(request.body, data, in_json if as_json else as_is, known)
    if not body:
        pieces.append(b"Content-Length: 0\r\n\r\n" if request.method in ("POST", "PUT", "PATCH") else b"\r\n")
    return _joined(pieces), body


def _header(name: str, value: str, data: Sequence[DataList], known: frozenset[str]) -> Pieces:
    if not name or not _TOKEN.issuperset(name):
        raise TemplateError(f"header name {name!r} isn't a token")
    if name.lower() in ("content-length", "transfer-encoding", "connection"):
        raise TemplateError(f"header {name} is the runner's own to set: leave it out")
    return (f"{name}: ".encode(), *_pieces(value, data, in_header, known), b"\r\n")


def _pieces(text: str, data: Sequence[DataList], encoding: Encoding, known: Collection[str] = ()) -> Pieces:
    """A template with its texts and rows encoded. Texts go as they are written: only values are encoded. `known`: extracted names."""
    lists = columns(data)
    made: list[Piece] = []
    for piece in parse(text, {*lists, *known}):
        if isinstance(piece, str):
            made.append(in_header(piece) if encoding is in_header else piece.encode())
        elif piece.name in lists:
            one = lists[piece.name]
            made.append(_PLACES[one.data.mode](one.number, tuple(map(encoding, one.values()))))
        elif piece.name in known:
            made.append(_Taken(piece.name, encoding))
        else:
            made.append(_Mark(piece.name))
    return _joined(made)


def _bound(pieces: Pieces, fill: dict[_Mark, bytes], user: int) -> Pieces:
    return _joined([_of_user(piece, fill, user) for piece in pieces])


def _of_user(piece: Piece, fill: dict[_Mark, bytes], user: int) -> Piece:
    if isinstance(piece, _Own):
        return piece.values[user_row(user, len(piece.values))]
    return fill.get(piece, piece) if isinstance(piece, _Mark) else piece


def _joined(pieces: Sequence[Piece]) -> Pieces:
    """The same with adjacent texts in one."""
    made: list[Piece] = []
    for piece in pieces:
        last = made[-1] if made else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            made[-1] = last + piece
        else:
            made.append(piece)
    return tuple(made)


def _render(pieces: Pieces, iteration: int, drawn: int, values: Values | None = None) -> bytes:
    texts = []
    for piece in pieces:
        if piece.__class__ is bytes:
            texts.append(piece)
        elif piece.__class__ is _Rows:
            texts.append(piece.values[row(drawn, piece.number, len(piece.values))])
        elif piece.__class__ is _Turns:
            texts.append(piece.values[turn_row(drawn, len(piece.values))])
        elif isinstance(piece, _Taken):
            texts.append(piece.encoding((values or {})[piece.name]))
        else:
            texts.append(b"%d" % iteration)
    return b"".join(texts)


def _fixed_request(head: Pieces, body: Pieces) -> bytes | None:
    """The whole request where nothing in it changes from iteration to iteration."""
    if len(head) != 1 or not isinstance(head[0], bytes):
        return None
    if not body:
        return head[0]
    if len(body) != 1 or not isinstance(body[0], bytes):
        return None
    return b"%bContent-Length: %d\r\n\r\n%b" % (head[0], len(body[0]), body[0])
