"""How answers are laid out: lines that are always the same, and the values of others. Pure; learns nothing itself."""

from __future__ import annotations

import re
from typing import Final

from slipstream_runtime.cores.freshness import Told
from slipstream_runtime.http.answer import GOVERNING_NAMES, AnswerHead
from slipstream_runtime.http.fields import Field
from slipstream_runtime.http.framing import answer_body
from slipstream_runtime.http.layout import NO_LENGTH, Drawn, Layout

MAX_DATE: Final = 64  # bytes; what is longer is no date, and isn't retained


class AnswerLayout(Layout):
    """How answers are laid out whose status line and framing, but for a Content-Length, are the same. Nothing is retained of what `model`
    says in the lines that differ: that was somebody's."""

    __slots__ = ("_cut", "_date", "_dated", "_governing", "_memo", "_rest", "_told", "body", "keep_alive", "kept", "line", "whole")

    def __init__(self, drawn: Drawn, model: AnswerHead) -> None:
        super().__init__(drawn)
        self._memo = model._memo
        self.line = model.line
        self.body = model.body
        self.keep_alive = model.keep_alive
        self.kept = model.kept
        self._cut = self.start.find(model.kept)  # where `kept` begins, 0 for none, -1 where it is behind a value
        self._rest = self._cut + len(model.kept)
        self._dated = drawn.names == [b"date"]  # nothing else differs: heads of one second are the same
        self._date = b"".join(field.raw[len(drawn.spelt[0]) :] for field in model.fields if self._dated and field.name == b"date")
        self.whole = model if self._dated or not drawn.names else None  # where nothing differs, but for `_date`
        names = [line.name if isinstance(line, Field) else drawn.names[line] for line in drawn.lines]
        counts = GOVERNING_NAMES if b"expires" in names else GOVERNING_NAMES - {b"date"}  # Date beside Expires only
        self._governing = [line for line, name in zip(drawn.lines, names, strict=True) if name in counts]
        fixed = [line for line in self._governing if isinstance(line, Field)]
        self._told = Told(fixed) if len(fixed) == len(self._governing) else None

    def head(self, data: bytes, start: int, end: int, matched: re.Match[bytes], method: bytes) -> AnswerHead | None:
        """The head in data[start:end], which it `matched`; None where its lines have to be looked at all the same."""
        if self.whole is not None and (not self._dated or matched[1] == self._date):
            return self.whole
        cut, body = self._cut, self.body
        if self.length >= 0:
            length = self.content_length(matched.groups())
            if length == NO_LENGTH:
                return None
            body = answer_body(method, self.line.status, length)
        if cut > 0:
            block = data[start : start + cut] + data[start + self._rest : end]
        else:
            block = data[start:end] if cut == 0 else data[start:end].replace(self.kept, b"", 1)
        head = AnswerHead(self.line, self._memo, None, 0, block, body, self.keep_alive, self._told)
        if self._told is None:
            values, field, spelt = matched.groups(), self._memo.field, self.spelt
            head._governing = [line if isinstance(line, Field) else field(spelt[line] + values[line]) for line in self._governing]
        if self._dated and len(matched[1]) <= MAX_DATE:
            self.whole, self._date = head, matched[1]
        return head
