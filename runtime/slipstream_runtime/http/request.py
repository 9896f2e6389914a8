"""A request's head: strict scan, framing, what may be forwarded. Pure; decides nothing about policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from slipstream_runtime.cores.fields import Asked, Known, Lines
from slipstream_runtime.cores.key import CacheRequest, KeyReader
from slipstream_runtime.http.binding import LOGINS, binds, fields_bind, lines_bind, may_bind
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import (
    CLOSE,
    CONTENT_LENGTH,
    DEADLINE,
    EXPECT,
    HOST_FIELD,
    LOGIN,
    NAMES,
    OF_THE_HOP,
    PLAIN,
    UPGRADE,
    ConnectionField,
    Field,
    FieldMemo,
    parse_field,
)
from slipstream_runtime.http.framing import NO_BODY, declared_body
from slipstream_runtime.http.heads import END_OF_HEAD, Limits, head_end
from slipstream_runtime.http.layout import NO_LENGTH, Layouts, drawn
from slipstream_runtime.http.request_layout import RequestLayout
from slipstream_runtime.http.request_line import RequestLine, parse_request_line
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN, Scan

MAX_REMEMBERED_LINE: Final = 512
NO_TIMEOUT: Final = -1
MAX_TIMEOUT_DIGITS: Final = 9  # of milliseconds: more than a week is no deadline
_NEVER: Final = math.inf
_ONLY_HOST: Final = 1 << HOST_FIELD
_LOGIN: Final = 1 << LOGIN


class RequestHead(Asked):
    """One request's head. `fields` are those that may be forwarded, in order (Host among them); `body` is as in framing.

    Its lines stay unread where they are ordinary (`lines`), else `fields` were made at once."""

    __slots__ = ("_fields", "_memo", "block", "body", "expects_continue", "host_field", "keep_alive", "line", "may_bind", "method",
                 "notes", "timeout_ms", "until", "upgrade")  # fmt: skip

    def __init__(self, line: RequestLine, memo: FieldMemo, lines: Lines | None, block: bytes) -> None:
        self.lines = lines  # as the base class would, and the next two
        self.known: Known | None = None
        self.values: Sequence[bytes] = ()
        self.line = line
        self.method = line.method
        self.block = block  # start line and fields as they came where all of them may be forwarded, else empty
        self.body: int = NO_BODY
        self.keep_alive = line.http11
        self.expects_continue = False
        self.upgrade = b""
        self.timeout_ms: int = NO_TIMEOUT  # how long the caller waits, where it says so
        self.until = _NEVER  # the same as a time, once the clock was asked
        self.may_bind = True  # False: `binds` needn't look
        self.notes = b""  # lines for the answer, whoever gives it
        self._memo = memo
        self._fields: list[Field] | None = None
        self.host_field: Field | None = None  # Host among `fields`, where these were made at once

    @property
    def fields(self) -> list[Field]:
        fields = self._fields
        if fields is None:
            lines, own = self.lines, self.host_field
            fields = self._memo.fields(self.block.split(b"\r\n")[1:] if lines is None else lines.raw(OF_THE_HOP))
            if own is not None:
                fields = [own if field.kind == HOST_FIELD else field for field in fields]  # that very object: there is one Host
            self._fields = fields
        return fields

    def replace(self, fields: list[Field]) -> None:
        """Others in their place; where no line of the head goes on as it came."""
        self._fields = fields
        self.known = None

    @property
    def host(self) -> bytes | None:
        """Whom the client asks: the target's authority, or Host."""
        if self.lines is not None:
            return self.lines.host
        return None if self.host_field is None else self.host_field.value

    def binds(self) -> bool:
        """Whether it authenticates the connection that it is sent on, for all that follow. Of what goes on, only Authorization can."""
        if not self.may_bind:
            return False
        if self.lines is not None:
            return lines_bind(self.lines.kinds(_LOGIN))
        layout = self.known
        if isinstance(layout, RequestLayout):
            return binds(self.values[layout.login])
        return fields_bind(self.fields, LOGINS)

    def asks(self, reader: KeyReader) -> CacheRequest:
        """What it asks of a cache, by the rule of `reader`; of heads that say the same it is found out once, so nobody changes it."""
        line, known = self.line, self.known
        has_body = self.body != 0
        if known is not None and line.asked_known == known.number and line.asked_of is reader and not has_body:
            request: CacheRequest = line.asked
            return request
        request = reader.read_head(b"GET" if line.method == b"HEAD" else line.method, line.target, self, has_body)
        if request.fixed and known is not None and not has_body:
            line.asked_of, line.asked_known, line.asked = reader, known.number, request
        return request

    def value(self, name: bytes) -> bytes | None:
        """The value of the first field called `name` (lower case)."""
        for field in self.fields:
            if field.name == name:
                return field.value
        return None


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
        end = -1 if seen > start else data.find(END_OF_HEAD, start)  # as usual: all of it, and no call
        if not 0 <= end - start <= limits.head:
            end = head_end(data, start, seen, limits)
        return (None, -1) if end < 0 else (self._read(data[start:end], limits), end + 4)

    def scan(self, block: bytes, limits: Limits | None = None) -> RequestHead:
        """The head in `block` (start line and fields, without the empty line); raises MalformedError. `limits`: if not the scanner's."""
        if limits is None:
            limits = self.limits
        if self._scan is not None:
            first = block.find(b"\r\n")
            lines = None if first < 0 else self._scan(block, first, self._names, limits.fields)
            if lines is not None:
                return self._unread(block[:first], block, lines, lines.present, lines.body, limits)
        return self._read(block, limits)

    def _unread(self, first: bytes, block: bytes, lines: Lines, present: int, body: int, limits: Limits) -> RequestHead:
        """Of a head whose lines are ordinary, if its start line is so too."""
        line = self.line(first, limits)
        if not line.http11 or line.authority or not present >> HOST_FIELD & 1:
            return self._read(block, limits)
        head = RequestHead(line, self.memo, lines, block)
        head.may_bind = present & _LOGIN != 0
        if present != _ONLY_HOST:
            head.body = body
            head.keep_alive = not present >> CLOSE & 1
            if present >> DEADLINE & 1:
                for field in self.memo.fields(lines.kinds(1 << DEADLINE)):
                    head.timeout_ms = _timeout(head.timeout_ms, field)
        return head

    def _read(self, block: bytes, limits: Limits) -> RequestHead:
        first = block.find(b"\r\n")
        found = None if first < 0 else self._layouts.find(block, first)
        if found is not None:
            layout, values = found
            raw = block[:first]
            line = self._lines.get(raw) or self.line(raw, limits)
            body = layout.body if layout.length < 0 else layout.content_length(values)
            if line.http11 and not line.authority and layout.lines <= limits.fields and body != NO_LENGTH:
                head = RequestHead(line, self.memo, None, block)
                head.known, head.values, head.host_field, head.body = layout, values, layout.host, body
                if layout.host is None:
                    at = layout.host_at
                    head.host_field = self.memo.field(layout.spelt[at] + values[at])
                head.may_bind = layout.login >= 0 and may_bind(values[layout.login])
                return head
        return self._read_lines(block, limits)

    def _read_lines(self, block: bytes, limits: Limits) -> RequestHead:
        lines = block.split(b"\r\n")
        line = self._lines.get(lines[0]) or self.line(lines[0], limits)
        if len(lines) > limits.fields + 1:
            raise MalformedError(431, "too many header lines")
        del lines[0]
        fields = self.memo.fields(lines)
        special = [field for field in fields if field.kind]
        head = RequestHead(line, self.memo, None, block)
        head._fields = fields
        if len(special) == 1 and special[0].kind == HOST_FIELD and line.http11 and not line.authority:
            head.host_field = special[0]
        else:
            _with_special(head, special)
        if head.block and self._layouts.wanted(block):
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
    if line.authority or not line.http11 or any(field.kind not in PLAIN for field in special):
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
