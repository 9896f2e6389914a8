"""Scans heads of answers: strictly, with their framing. Pure; decides nothing about policy."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.fields import Lines
from slipstream_runtime.http import binding
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_layout import AnswerLayout
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import (
    CHALLENGES,
    CLOSE,
    CONTENT_LENGTH,
    FRAMED,
    HOST_FIELD,
    NAMES,
    OF_THE_HOP,
    ORDINARY,
    PLAIN,
    UPGRADE,
    ConnectionField,
    Field,
    FieldMemo,
    LengthField,
)
from slipstream_runtime.http.framing import UNTIL_CLOSE, answer_body, declared_body
from slipstream_runtime.http.heads import Limits, head_end
from slipstream_runtime.http.layout import Layouts, drawn
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN, Scan
from slipstream_runtime.http.status_line import StatusLine, parse_status_line

MAX_STATUS_LINES: Final = 256
_MAY_DIFFER: Final = frozenset((ORDINARY, CONTENT_LENGTH))
_ENDS: Final = 1 << CLOSE | CHALLENGES  # may say that nobody else gets the connection


class AnswerScanner:
    """Scans heads of answers; remembers status lines and fields between them."""

    __slots__ = ("_find_head", "_layouts", "_lines", "_names", "_scan", "limits", "memo")

    def __init__(self, limits: Limits | None = None, scan: Scan | None = SCAN) -> None:
        self.limits = limits or Limits()
        self._scan = scan
        self._find_head = None if scan is None else FIND_HEAD
        self._names = None if scan is None else NAMES_TABLE(NAMES)
        self.memo = FieldMemo()
        self._lines: dict[bytes, StatusLine] = {}
        self._layouts: Layouts[AnswerLayout] = Layouts()  # of what doesn't answer HEAD

    def line(self, raw: bytes) -> StatusLine:
        line = self._lines.get(raw)
        if line is None:
            line = parse_status_line(raw)
            if len(self._lines) < MAX_STATUS_LINES:
                self._lines[raw] = line
        return line

    def take(self, data: bytes, start: int, seen: int, method: bytes) -> tuple[AnswerHead | None, int]:
        """The head of an answer to `method` at data[start:] and the index after it, None where it isn't complete; data[:seen] was searched.

        Raises MalformedError, for what can't become a head at once."""
        limits = self.limits
        if self._find_head is not None:
            found = self._find_head(data, start, seen, self._names, limits.head, limits.fields)
            if found is not None:
                end, first, block, lines, present, body = found
                return self._unread(first, block, lines, present, body, method), end + 4
        if seen <= start and method != b"HEAD":  # what came in pieces is read, not compared at each piece anew
            layouts = self._layouts
            matched = layouts.match(data, start) or layouts.find(data, start)
            if matched is not None:
                layout: AnswerLayout = layouts.usual
                end = matched.end() - 4
                head = layout.head(data, start, end, matched, method) if end - start <= limits.head else None
                if head is not None:
                    return head, end + 4
        end = head_end(data, start, seen, limits)
        return (None, -1) if end < 0 else (self._read(data[start:end], method), end + 4)

    def scan(self, block: bytes, method: bytes) -> AnswerHead:
        """The head in `block` (without the empty line) of an answer to `method`; raises MalformedError."""
        if self._scan is not None:
            first = block.find(b"\r\n")
            lines = None if first < 0 else self._scan(block, first, self._names, self.limits.fields)
            if lines is not None:
                return self._unread(block[:first], block, lines, lines.present, lines.body, method)
        return self._read(block, method)

    def _unread(self, first: bytes, block: bytes, lines: Lines, present: int, body: int, method: bytes) -> AnswerHead:
        """Of a head whose lines are ordinary, if its status line is so too."""
        line = self.line(first)
        # A 1xx or 204 carries no length, whatever it says; a status line without a reason isn't sent on as it came.
        if not line.http11 or line.status < 200 or line.status == 204 or len(line.raw) != len(first) or present >> HOST_FIELD & 1:
            return self._read(block, method)
        framed = answer_body(method, line.status, body if present & FRAMED else None)
        head = AnswerHead(line, self.memo, lines, present, b"" if present & OF_THE_HOP else block, framed)
        head.keep_alive = head.body != UNTIL_CLOSE and not (
            present & _ENDS and (present >> CLOSE & 1 or binding.lines_bind(lines.kinds(CHALLENGES)))
        )
        return head

    def _read(self, block: bytes, method: bytes) -> AnswerHead:
        lines = block.split(b"\r\n")
        line = self._lines.get(lines[0]) or self.line(lines[0])
        if len(lines) > self.limits.fields + 1:
            raise MalformedError(502, "too many header lines in an answer")
        head = AnswerHead(line, self.memo, None, 0, block, UNTIL_CLOSE, line.http11)
        fields = head._fields = self.memo.fields(lines[1:])
        challenged = binding.fields_bind(fields, binding.CHALLENGES)
        _framed(head, fields, method)
        head.keep_alive = head.keep_alive and not challenged
        if head.block and method != b"HEAD" and self._layouts.wanted():
            self._learn(head, lines)
        return head

    def _learn(self, head: AnswerHead, lines: list[bytes]) -> None:
        """How a head is laid out whose lines all go on as they came, but for one."""
        first = lines.pop(0)
        made = drawn(first, lines, self.memo.fields(lines), self.memo, _MAY_DIFFER)
        if made is None or not binding.CHALLENGES.isdisjoint(made.names):
            self._layouts.nothing()
        else:
            self._layouts.add(AnswerLayout(made, head))


def _framed(head: AnswerHead, fields: list[Field], method: bytes) -> None:
    """What `fields` say of the body and of the connection."""
    line, block = head.line, head.block
    special = [field for field in fields if field.kind]
    length: LengthField | None = None
    kept: Field | None = None
    for field in special:
        if isinstance(field, LengthField) and length is None:
            length = field
        elif isinstance(field, ConnectionField) and field.only_keep_alive and kept is None:
            kept = field
        else:
            length = None
            break
    if length is None or not line.http11 or line.status < 200 or line.status == 204:
        _with_special(head, special, method)
        return
    head.body = answer_body(method, line.status, length.number)
    if kept is not None:  # what many servers say in each answer: it isn't forwarded, and means nothing else
        fields.remove(kept)
        head.kept = b"\r\n" + kept.raw
        head.block = block.replace(head.kept, b"", 1)  # there is one such line, and no other can start as it does


def _with_special(head: AnswerHead, special: list[Field], method: bytes) -> None:
    http11 = head.line.http11
    try:
        declared = declared_body(special, http11)
    except MalformedError as error:
        raise MalformedError(502, error.message) from None
    head.body = answer_body(method, head.status, declared)
    nominated: frozenset[bytes] = frozenset()
    for field in special:
        if isinstance(field, ConnectionField):
            nominated |= field.tokens
        elif field.kind == UPGRADE and head.status == 101:
            head.upgrade = field.value
    head.keep_alive = head.body != UNTIL_CLOSE and b"close" not in nominated and (http11 or b"keep-alive" in nominated)
    keeps_length = head.status >= 200 and head.status != 204  # RFC 9110 §8.6: the others carry none
    if not http11 or not keeps_length or any(field.kind not in PLAIN for field in special):
        head.block = b""
        head._fields = [
            field
            for field in head.fields
            if (keeps_length and field.kind == CONTENT_LENGTH) or (not field.kind and field.name not in nominated)
        ]
