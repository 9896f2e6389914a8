"""How a sender lays its heads out: lines that are always the same between lines whose values differ, so that most of a head is compared
and little of it read. Pure; never takes what the scanners would refuse, and retains no value of a line that isn't remembered anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from slipstream_runtime.cores.fields import Known
from slipstream_runtime.http.fields import CONTENT_LENGTH, CONTROLS, MAX_LENGTH_DIGITS, ORDINARY, Field, FieldMemo

MAX_LAYOUTS: Final = 8  # that are tried, the last used first
MAX_VALUES: Final = 12  # in one of them
REST: Final = 256  # heads after one that was learnt in vain, before the next is
NO_LENGTH: Final = -1


class Layout(Known):
    """One of them. `fields` are those of its fixed lines; `names` are of the others, none of them twice, and none a fixed line's."""

    __slots__ = ("length", "lines", "parts", "start", "used")

    def __init__(self, parts: list[bytes], names: list[bytes], fields: Sequence[Field]) -> None:
        super().__init__(fields, names)
        self.start = parts[0]
        self.parts = [(part, len(part)) for part in parts[1:]]  # what follows each value
        self.lines = len(fields) + len(names)
        self.length = names.index(b"content-length") if b"content-length" in names else -1  # among the names
        self.used = False

    def values(self, block: bytes, at: int) -> list[bytes] | None:
        """The values in block[at:], blanks around them and all; None where it isn't laid out so."""
        if not block.startswith(self.start, at):
            return None
        at += len(self.start)
        found = []
        for part, size in self.parts:
            end = block.find(b"\r\n", at)
            if end < 0:
                end = len(block)
            found.append(block[at:end])
            if not block.startswith(part, end):
                return None
            at = end + size
        return None if at != len(block) or b"\0" in b"".join(found).translate(CONTROLS) else found

    def content_length(self, values: list[bytes]) -> int:
        """Of a head whose Content-Length is among the values; NO_LENGTH where it isn't a number."""
        value = values[self.length].strip(b" \t")
        return int(value) if value.isdigit() and len(value) <= MAX_LENGTH_DIGITS else NO_LENGTH


L = TypeVar("L", bound=Layout)


class Layouts(Generic[L]):
    """Those of one scanner."""

    __slots__ = ("_recent", "_rest")

    def __init__(self) -> None:
        self._recent: list[L] = []
        self._rest = 0

    def find(self, block: bytes, at: int) -> tuple[L, list[bytes]] | None:
        """How block[at:] is laid out, and its values."""
        for layout in self._recent:
            values = layout.values(block, at)
            if values is not None:
                if layout is not self._recent[0]:
                    self._recent.remove(layout)
                    self._recent.insert(0, layout)
                layout.used = True
                return layout, values
        return None

    def wanted(self) -> bool:
        """Whether another one may be learnt: not where they are all different."""
        if self._rest:
            self._rest -= 1
        return not self._rest

    def add(self, layout: L) -> None:
        if len(self._recent) >= MAX_LAYOUTS and not self._recent.pop().used:
            self._rest = REST
        self._recent.insert(0, layout)


def laid_out(first: bytes, lines: list[bytes], fields: list[Field], memo: FieldMemo) -> tuple[list[bytes], list[bytes], list[Field]] | None:
    """What a Layout is made of: `first` (a start line, or nothing) and the lines after it. None where a line that differs means something
    to a proxy, or isn't the only one of its name."""
    parts, names, fixed, text = [], [], [], first
    for raw, field in zip(lines, fields, strict=True):
        if memo.recurs(raw):
            fixed.append(field)
            text += b"\r\n" + raw
        elif field.kind in (ORDINARY, CONTENT_LENGTH):
            parts.append(text + b"\r\n" + raw[: raw.index(b":") + 1])
            names.append(field.name)
            text = b""
        else:
            return None
    distinct = len(set(names)) == len(names) and not {field.name for field in fixed}.intersection(names)
    return ([*parts, text], names, fixed) if distinct and len(names) <= MAX_VALUES else None
