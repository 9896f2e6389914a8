"""How answers are laid out: lines that are always the same, and the values of others. Pure; learns nothing itself."""

from __future__ import annotations

import re

from slipstream_runtime.cores.freshness import Told
from slipstream_runtime.http.answer import GOVERNING_NAMES, AnswerHead
from slipstream_runtime.http.fields import Field
from slipstream_runtime.http.framing import answer_body
from slipstream_runtime.http.layout import NO_LENGTH, Drawn, Layout


class AnswerLayout(Layout):
    """How answers are laid out whose status line and framing, but for a Content-Length, are the same. Nothing is retained of what `model`
    says in the lines that differ: that was somebody's."""

    __slots__ = ("_cut", "_governing", "_memo", "_rest", "_told", "body", "keep_alive", "kept", "line", "whole")

    def __init__(self, drawn: Drawn, model: AnswerHead) -> None:
        super().__init__(drawn)
        self._memo = model._memo
        self.line = model.line
        self.body = model.body
        self.keep_alive = model.keep_alive
        self.kept = model.kept
        self._cut = self.start.find(model.kept)  # where `kept` begins, 0 for none, -1 where it is behind a value
        self._rest = self._cut + len(model.kept)
        self.whole = None if drawn.names else model  # where nothing differs
        names = [line.name if isinstance(line, Field) else drawn.names[line] for line in drawn.lines]
        self._governing = [line for line, name in zip(drawn.lines, names, strict=True) if name in GOVERNING_NAMES]
        fixed = [line for line in self._governing if isinstance(line, Field)]
        self._told = Told(fixed) if len(fixed) == len(self._governing) else None

    def head(self, data: bytes, start: int, end: int, matched: re.Match[bytes], method: bytes) -> AnswerHead | None:
        """The head in data[start:end], which it `matched`; None where its lines have to be looked at all the same."""
        if self.whole is not None:
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
        return head
