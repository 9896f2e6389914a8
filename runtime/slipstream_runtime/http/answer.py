"""An answer's head as an upstream sent it: strict scan, framing, what may be forwarded. Pure; decides nothing about policy."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.fields import Head, Lines
from slipstream_runtime.cores.freshness import NOTHING, Told
from slipstream_runtime.http import binding
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import (
    AGE,
    CHALLENGES,
    CLOSE,
    CONTENT_LENGTH,
    DATE,
    EXPIRES,
    FRAMED,
    GOVERNING,
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
from slipstream_runtime.http.heads import END_OF_HEAD, Limits, head_end
from slipstream_runtime.http.layout import NO_LENGTH, Drawn, Layout, Layouts, drawn
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN, Scan
from slipstream_runtime.http.status_line import StatusLine, parse_status_line

MAX_STATUS_LINES: Final = 256
_MAY_DIFFER: Final = frozenset((ORDINARY, CONTENT_LENGTH))
_GOVERNING_NAMES: Final = frozenset(name for name, kind in NAMES.items() if (GOVERNING | 1 << DATE) >> kind & 1)
_EXPIRES: Final = 1 << EXPIRES
_ENDS: Final = 1 << CLOSE | CHALLENGES  # may say that nobody else gets the connection
_GOVERNING_BY_DATE: Final = GOVERNING | 1 << DATE
_NOT_STORED: Final = OF_THE_HOP | 1 << CONTENT_LENGTH | 1 << AGE


class AnswerHead(Head):
    """One answer's head. `fields` may be forwarded, in order (Content-Length among them); `body` is as in framing.

    Its lines stay unread where they are ordinary (`lines`), else `fields` were made at once. Nobody changes one that was scanned: answers
    with the same head share it."""

    __slots__ = ("_fields", "_governing", "_memo", "_present", "_told", "block", "body", "keep_alive", "kept", "line", "status", "upgrade")

    def __init__(self, line: StatusLine, memo: FieldMemo, lines: Lines | None, present: int, block: bytes) -> None:
        self.lines = lines  # as the base class would
        self.line = line
        self.status = line.status
        self.block = block  # start line and fields as they came where all of them may be forwarded, else empty
        self.body: int = UNTIL_CLOSE
        self.keep_alive = line.http11
        self.upgrade = b""
        self.kept = b""  # a line that was taken out of `block`, with the CRLF before it
        self._memo = memo
        self._present = present  # the kinds of `lines`
        self._fields: list[Field] | None = None
        self._governing: list[Field] | None = None  # where `fields` were made at once
        self._told: Told | None = None

    @property
    def fields(self) -> list[Field]:
        fields = self._fields
        if fields is None:
            lines = self.lines
            fields = self._fields = self._memo.fields(self.block.split(b"\r\n")[1:] if lines is None else lines.raw(OF_THE_HOP))
        return fields

    @property
    def governing(self) -> list[Field]:
        """At least those of `fields` that may say how long the answer lives, or that it can't be stored."""
        lines = self.lines
        if lines is None:
            governing = self._governing
            if governing is None:
                governing = self._governing = [field for field in self.fields if field.name in _GOVERNING_NAMES]
            return governing
        present = self._present
        if not present & GOVERNING:
            return []
        # Date counts beside Expires only, and is new each second: no memo knows it for long.
        return self._memo.fields(lines.kinds(_GOVERNING_BY_DATE if present & _EXPIRES else GOVERNING))

    @property
    def told(self) -> Told:
        """What `governing` says."""
        told = self._told
        if told is None:
            governing = self.governing
            told = self._told = Told(governing) if governing else NOTHING
        return told

    def storable(self) -> bytes:
        """Start line and fields as a store keeps them: Age is told anew each time, the length is that of the body as it was read."""
        if self.lines is not None:
            return self.lines.forwarded(_NOT_STORED, b"", b"")
        kept = [field.raw for field in self.fields if field.kind != CONTENT_LENGTH and field.name != b"age"]
        return b"\r\n".join([self.line.raw, *kept])

    def value(self, name: bytes) -> bytes | None:
        """The value of the first field called `name` (lower case)."""
        for field in self.fields:
            if field.name == name:
                return field.value
        return None


class AnswerLayout(Layout):
    """How answers are laid out whose status line and framing, but for a Content-Length, are the same. Nothing is retained of what `model`
    says in the lines that differ: that was somebody's."""

    __slots__ = ("_cut", "_fixed", "_governing", "_memo", "_told", "body", "keep_alive", "kept", "line", "whole")

    def __init__(self, drawn: Drawn, model: AnswerHead) -> None:
        super().__init__(drawn)
        self._memo = model._memo
        self.line = model.line
        self.body = model.body
        self.keep_alive = model.keep_alive
        self.kept = model.kept
        self._cut = self.start.find(model.kept) if model.kept else -1
        self.whole = None if drawn.names else model  # where nothing differs
        names = [line.name if isinstance(line, Field) else drawn.names[line] for line in drawn.lines]
        self._governing = [line for line, name in zip(drawn.lines, names, strict=True) if name in _GOVERNING_NAMES]
        self._fixed = [line for line in self._governing if isinstance(line, Field)]
        self._told = Told(self._fixed) if len(self._fixed) == len(self._governing) else None

    def head(self, block: bytes, body: int, values: list[bytes]) -> AnswerHead:
        """The head in `block`, which is laid out so and has these values; raises MalformedError."""
        cut = self._cut
        if cut >= 0:
            block = block[:cut] + block[cut + len(self.kept) :]
        elif self.kept:
            block = block.replace(self.kept, b"", 1)
        head = AnswerHead(self.line, self._memo, None, 0, block)
        head.body, head.keep_alive, head._governing, head._told = body, self.keep_alive, self._fixed, self._told
        if self._told is None:
            field, spelt = self._memo.field, self.spelt
            head._governing = [line if isinstance(line, Field) else field(spelt[line] + values[line]) for line in self._governing]
        return head


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
        end = -1 if seen > start else data.find(END_OF_HEAD, start)  # as usual: all of it, and no call
        if not 0 <= end - start <= limits.head:
            end = head_end(data, start, seen, limits)
        if end < 0:
            return None, -1
        return self._read(data[start:end], method), end + 4

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
        head = AnswerHead(line, self.memo, lines, present, b"" if present & OF_THE_HOP else block)
        head.body = answer_body(method, line.status, body if present & FRAMED else None)
        head.keep_alive = head.body != UNTIL_CLOSE and not (
            present & _ENDS and (present >> CLOSE & 1 or binding.lines_bind(lines.kinds(CHALLENGES)))
        )
        return head

    def _read(self, block: bytes, method: bytes) -> AnswerHead:
        found = None if method == b"HEAD" else self._layouts.find(block, 0)
        if found is not None:
            layout, values = found
            if layout.whole is not None:
                return layout.whole
            if layout.length < 0:
                return layout.head(block, layout.body, values)
            length = layout.content_length(values)
            if length != NO_LENGTH:
                return layout.head(block, answer_body(method, layout.line.status, length), values)
        return self._read_lines(block, method)

    def _read_lines(self, block: bytes, method: bytes) -> AnswerHead:
        lines = block.split(b"\r\n")
        line = self._lines.get(lines[0]) or self.line(lines[0])
        if len(lines) > self.limits.fields + 1:
            raise MalformedError(502, "too many header lines in an answer")
        head = AnswerHead(line, self.memo, None, 0, block)
        fields = head._fields = self.memo.fields(lines[1:])
        challenged = binding.fields_bind(fields, binding.CHALLENGES)
        _framed(head, fields, method)
        head.keep_alive = head.keep_alive and not challenged
        if head.block and method != b"HEAD" and self._layouts.wanted(block):
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
