"""Scans heads of requests: strictly, with their framing. Pure; decides nothing about policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from slipstream_runtime.cores.fields import Lines
from slipstream_runtime.http.binding import may_bind
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import (
    CLOSE,
    CONTENT_LENGTH,
    DEADLINE,
    EXPECT,
    HOST_FIELD,
    LOGIN,
    NAMES,
    PLAIN,
    UPGRADE,
    ConnectionField,
    Field,
    FieldMemo,
    parse_field,
)
from slipstream_runtime.http.framing import NO_BODY, declared_body
from slipstream_runtime.http.heads import Limits, head_end
from slipstream_runtime.http.layout import NO_LENGTH, Layouts, drawn
from slipstream_runtime.http.request import NO_TIMEOUT, RequestHead
from slipstream_runtime.http.request_layout import RequestLayout
from slipstream_runtime.http.request_line import RequestLine, parse_request_line
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN, Scan

MAX_REMEMBERED_LINE: Final = 512
MAX_TIMEOUT_DIGITS: Final = 9  # of milliseconds: more than a week is no deadline
_ONLY_HOST: Final = 1 << HOST_FIELD
_LOGIN: Final = 1 << LOGIN


class RequestScanner:
    """Scans heads with one set of limits; remembers request lines and fields between them."""

    __slots__ = ("_find_head", "_layouts", "_lines", "_max_lines", "_names", "_scan", "limits", "memo")

    def __init__(self, limits: Limits | None = None, max_lines: int = 4096, scan: Scan | None = SCAN) -> None:
        self.limits = limits or Limits()
        self._scan = scan
        self._find_head = None if scan is None else FIND_HEAD
        self._names = None if scan is None else NAMES_TABLE(NAMES)
        self.memo = FieldMemo()
        self._lines: dict[bytes, RequestLine] = {}
        self._layouts: Layouts[RequestLayout] = Layouts()
        self._max_lines = max_lines

    def line(self, raw: bytes, limits: Limits) -> RequestLine:
        line = self._lines.get(raw)
        if line is None:
            line = parse_request_line(raw, limits)
            if len(raw) <= MAX_REMEMBERED_LINE:  # shorter than any limit of a target
                if len(self._lines) >= self._max_lines:
                    self._lines.clear()  # a flood of distinct targets costs parsing, never memory
                self._lines[raw] = line
        return line

    def take(self, data: bytes, start: int, seen: int, limits: Limits) -> tuple[RequestHead | None, int]:
        """The head at data[start:] and the index after it, None where it isn't complete; data[:seen] was searched before.

        Raises MalformedError, for what can't become a head at once."""
        if self._find_head is not None:
            found = self._find_head(data, start, seen, self._names, limits.head, limits.fields)
            if found is not None:
                end, first, block, lines, present, body = found
                return self._unread(first, block, lines, present, body, limits), end + 4
        layouts = self._layouts
        # What came in pieces is read, not compared at each piece anew: that would take time with the square of its length.
        matched = None if seen > start else layouts.match(data, start) or layouts.find(data, start)
        if matched is not None:
            end = matched.end() - 4
            head = self._laid_out(data, start, end, matched.groups(), limits) if end - start <= limits.head else None
            if head is not None:
                return head, end + 4
        end = head_end(data, start, seen, limits)
        return (None, -1) if end < 0 else (self._read(data[start:end], limits), end + 4)

    def scan(self, block: bytes, limits: Limits | None = None) -> RequestHead:
        """The head in `block` (start line and fields, without the empty line); raises MalformedError. `limits`: if not the scanner's.
        Nothing is learnt of how it is laid out: such heads are made here, and none comes like that."""
        if limits is None:
            limits = self.limits
        if self._scan is not None:
            first = block.find(b"\r\n")
            lines = None if first < 0 else self._scan(block, first, self._names, limits.fields)
            if lines is not None:
                return self._unread(block[:first], block, lines, lines.present, lines.body, limits)
        return self._read(block, limits, False)

    def _unread(self, first: bytes, block: bytes, lines: Lines, present: int, body: int, limits: Limits) -> RequestHead:
        """Of a head whose lines are ordinary, if its start line is so too."""
        line = self.line(first, limits)
        if not line.plain or not present >> HOST_FIELD & 1:
            return self._read(block, limits)
        head = RequestHead(line, self.memo, lines, block, NO_BODY, present & _LOGIN != 0)
        if present != _ONLY_HOST:
            head.body = body
            head.keep_alive = not present >> CLOSE & 1
            if present >> DEADLINE & 1:
                for field in self.memo.fields(lines.kinds(1 << DEADLINE)):
                    head.timeout_ms = _timeout(head.timeout_ms, field)
        return head

    def _laid_out(self, data: bytes, start: int, end: int, values: Sequence[bytes], limits: Limits) -> RequestHead | None:
        """Of a head in data[start:end] with the usual layout; None where its lines have to be looked at all the same."""
        layout: RequestLayout = self._layouts.usual
        if layout.lines > limits.fields:
            return None
        line = self._lines.get(values[0]) or self.line(values[0], limits)
        body, host, login = layout.body, layout.host, layout.login
        if layout.length >= 0:
            body = layout.content_length(values)
        if body == NO_LENGTH or not line.plain:
            return None
        if host is None:
            host = self.memo.field(layout.spelt[layout.host_at] + values[layout.host_at])
        binding = login >= 0 and may_bind(values[login])
        return RequestHead(line, self.memo, None, data[start:end], body, binding, host, layout, values)

    def _read(self, block: bytes, limits: Limits, learns: bool = True) -> RequestHead:
        lines = block.split(b"\r\n")
        line = self._lines.get(lines[0]) or self.line(lines[0], limits)
        if len(lines) > limits.fields + 1:
            raise MalformedError(431, "too many header lines")
        del lines[0]
        fields = self.memo.fields(lines)
        special = [field for field in fields if field.kind]
        head = RequestHead(line, self.memo, None, block)
        head._fields = fields
        if len(special) == 1 and special[0].kind == HOST_FIELD and line.plain:
            head.host_field = special[0]
        else:
            _with_special(head, special)
        if learns and head.block and self._layouts.wanted():
            self._learn(head, lines, fields)
        return head

    def _learn(self, head: RequestHead, lines: list[bytes], fields: list[Field]) -> None:
        """How a head is laid out whose lines all go on as they came."""
        made = drawn(b"", lines, fields, self.memo, PLAIN)
        if made is None or head.host_field is None:
            self._layouts.nothing()
        else:
            self._layouts.add(RequestLayout(made, head.host_field, head.body))


def _with_special(head: RequestHead, special: list[Field]) -> None:
    line = head.line
    declared = declared_body(special, line.http11)
    head.body = NO_BODY if declared is None else declared
    hosts = 0
    nominated: frozenset[bytes] = frozenset()
    for field in special:
        if field.kind == HOST_FIELD:
            hosts += 1
            head.host_field = field
        elif isinstance(field, ConnectionField):
            nominated |= field.tokens
        elif field.kind == EXPECT:
            if field.value.lower() != b"100-continue":
                raise MalformedError(417, "an Expect other than 100-continue")
            head.expects_continue = line.http11 and head.body != NO_BODY
        elif field.kind == DEADLINE:
            head.timeout_ms = _timeout(head.timeout_ms, field)
    if hosts > 1 or (not hosts and line.http11):
        raise MalformedError(400, "not exactly one Host")
    if line.authority:  # RFC 9112 §3.2.2: the target's authority wins over Host
        head.host_field = parse_field(b"Host: " + line.authority)
    head.keep_alive = b"close" not in nominated and (line.http11 or b"keep-alive" in nominated)
    if b"upgrade" in nominated and line.http11 and head.body == NO_BODY:
        head.upgrade = _protocol(special)
    if not line.plain or any(field.kind not in PLAIN for field in special):
        head.block = b""
        head._fields = _forwardable(head, nominated)


def _timeout(known: int, field: Field) -> int:
    """The shortest that the caller says; what isn't a number says nothing. Envoy's callers write 0 for none, Envoy itself for no time."""
    value = field.value
    if not value.isdigit() or len(value) > MAX_TIMEOUT_DIGITS:
        return known
    milliseconds = int(value)
    if not milliseconds and field.name == b"x-envoy-upstream-rq-timeout-ms":
        return known
    return milliseconds if known == NO_TIMEOUT else min(known, milliseconds)


def _forwardable(head: RequestHead, nominated: frozenset[bytes]) -> list[Field]:
    """What may go on: no hop-by-hop field, none that Connection names. Host and Content-Length are ours to keep, whatever it names."""
    own = head.host_field
    fields = [
        field for field in head.fields if field is own or field.kind == CONTENT_LENGTH or (not field.kind and field.name not in nominated)
    ]
    if head.line.authority and own is not None:
        fields.insert(0, own)
    return fields


def _protocol(special: list[Field]) -> bytes:
    """The protocol to upgrade to. Never h2c: behind a 101 it would carry requests past every policy."""
    protocols = [field.value for field in special if field.kind == UPGRADE]
    if len(protocols) != 1 or b"h2c" in protocols[0].lower():
        return b""
    return protocols[0]
