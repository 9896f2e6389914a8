"""A request's head: what of it may be forwarded, and what it asks of a cache. Pure; scans nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from slipstream_runtime.cores.fields import Asked, Known, Lines
from slipstream_runtime.cores.key import CacheRequest, KeyReader
from slipstream_runtime.http.binding import LOGINS, binds, fields_bind, lines_bind
from slipstream_runtime.http.fields import (
    HOST_FIELD,
    LOGIN,
    OF_THE_HOP,
    Field,
    FieldMemo,
)
from slipstream_runtime.http.framing import NO_BODY
from slipstream_runtime.http.request_layout import RequestLayout
from slipstream_runtime.http.request_line import RequestLine

NO_TIMEOUT: Final = -1
_NEVER: Final = math.inf
_LOGIN: Final = 1 << LOGIN


class RequestHead(Asked):
    """One request's head. `fields` are those that may be forwarded, in order (Host among them); `body` is as in framing.

    Its lines stay unread where they are ordinary (`lines`), else `fields` were made at once."""

    __slots__ = ("_fields", "_memo", "block", "body", "expects_continue", "host_field", "keep_alive", "line", "may_bind", "method",
                 "notes", "timeout_ms", "until", "upgrade")  # fmt: skip

    def __init__(
        self,
        line: RequestLine,
        memo: FieldMemo,
        lines: Lines | None,
        block: bytes,
        body: int = NO_BODY,
        may_bind: bool = True,
        host_field: Field | None = None,
        known: Known | None = None,
        values: Sequence[bytes] = (),
    ) -> None:
        self.lines = lines  # as the base class would, and the next two
        self.known = known
        self.values = values
        self.line = line
        self.method = line.method
        self.block = block  # start line and fields as they came where all of them may be forwarded, else empty
        self.body = body
        self.may_bind = may_bind  # False: `binds` needn't look
        self.host_field = host_field  # Host among `fields`, where these were made at once
        self.keep_alive = line.http11
        self.expects_continue = False
        self.upgrade = b""
        self.timeout_ms: int = NO_TIMEOUT  # how long the caller waits, where it says so
        self.until = _NEVER  # the same as a time, once the clock was asked
        self.notes = b""  # lines for the answer, whoever gives it
        self._memo = memo
        self._fields: list[Field] | None = None

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
