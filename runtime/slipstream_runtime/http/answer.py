"""An answer's head as an upstream sent it: what of it may be forwarded, and what it says to a cache. Pure; scans nothing."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.fields import Head, Lines
from slipstream_runtime.cores.freshness import NOTHING, Told
from slipstream_runtime.http.fields import (
    AGE,
    CONTENT_LENGTH,
    DATE,
    EXPIRES,
    GOVERNING,
    NAMES,
    OF_THE_HOP,
    Field,
    FieldMemo,
)
from slipstream_runtime.http.framing import UNTIL_CLOSE
from slipstream_runtime.http.status_line import StatusLine

GOVERNING_NAMES: Final = frozenset(name for name, kind in NAMES.items() if (GOVERNING | 1 << DATE) >> kind & 1)
_EXPIRES: Final = 1 << EXPIRES
_GOVERNING_BY_DATE: Final = GOVERNING | 1 << DATE
_NOT_STORED: Final = OF_THE_HOP | 1 << CONTENT_LENGTH | 1 << AGE


class AnswerHead(Head):
    """One answer's head. `fields` may be forwarded, in order (Content-Length among them); `body` is as in framing.

    Its lines stay unread where they are ordinary (`lines`), else `fields` were made at once. Nobody changes one that was scanned: answers
    with the same head share it."""

    __slots__ = ("_fields", "_governing", "_memo", "_present", "_told", "block", "body", "keep_alive", "kept", "line", "status", "upgrade")

    def __init__(
        self,
        line: StatusLine,
        memo: FieldMemo,
        lines: Lines | None,
        present: int,
        block: bytes,
        body: int = UNTIL_CLOSE,
        keep_alive: bool = False,
        told: Told | None = None,
    ) -> None:
        self.lines = lines  # as the base class would
        self.line = line
        self.status = line.status
        self.block = block  # start line and fields as they came where all of them may be forwarded, else empty
        self.body = body
        self.keep_alive = keep_alive
        self.upgrade = b""
        self.kept = b""  # a line that was taken out of `block`, with the CRLF before it
        self._memo = memo
        self._present = present  # the kinds of `lines`
        self._fields: list[Field] | None = None
        self._governing: list[Field] | None = None  # where `fields` were made at once
        self._told = told

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
                governing = self._governing = [field for field in self.fields if field.name in GOVERNING_NAMES]
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
            told = self._told = self._telling()
        return told

    def _telling(self) -> Told:
        lines, memo = self.lines, self._memo
        if lines is None or self._present & _EXPIRES:  # which Date counts beside
            governing = self.governing
            return Told(governing) if governing else NOTHING
        if not self._present & GOVERNING:
            return NOTHING
        raws = lines.kinds(GOVERNING)
        alone = raws[0] if len(raws) == 1 else b""
        told = memo.told.get(alone)
        if told is None:
            told = Told(memo.fields(raws))
            if alone in memo.known:  # so there are few, and it is nobody's cookie
                memo.told[alone] = told
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
