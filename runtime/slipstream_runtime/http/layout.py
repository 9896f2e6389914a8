"""How a sender lays its heads out: lines that are always the same between lines whose values differ, so that most of a head is compared
and little of it read. Pure; never takes what the scanners would refuse, and retains no value of a line that isn't remembered anyway."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Generic, TypeVar

from slipstream_runtime.cores.fields import Known
from slipstream_runtime.http.fields import CONTROLS, MAX_LENGTH_DIGITS, Field, FieldMemo

MAX_LAYOUTS: Final = 8  # that are tried, the last used first
MAX_VALUES: Final = 12  # in one of them
MAX_LAID_OUT: Final = 4_096  # bytes of a head that is learnt from
REST: Final = 256  # heads after one that nothing was learnt from, or what nobody used, before the next is looked at
NO_LENGTH: Final = -1


class Drawn:
    """One head as it is laid out: what is the same between the values (`parts`, one more than values), the values' names in lower case and
    as they are spelt, and all lines in order: a field, or the number of a value."""

    __slots__ = ("lines", "names", "parts", "spelt")

    def __init__(self, parts: list[bytes], names: list[bytes], spelt: list[bytes], lines: list[Field | int]) -> None:
        self.parts = parts
        self.names = names
        self.spelt = spelt
        self.lines = lines


class Layout(Known):
    """One of them. `fields` are those of its fixed lines; `names` are of the others, none of them twice, and none a fixed line's."""

    __slots__ = ("length", "lines", "parts", "spelt", "start", "used")

    def __init__(self, drawn: Drawn) -> None:
        super().__init__([line for line in drawn.lines if isinstance(line, Field)], drawn.names)
        self.start = drawn.parts[0]
        self.parts = [(part, len(part)) for part in drawn.parts[1:]]  # what follows each value
        self.spelt = drawn.spelt
        self.lines = len(drawn.lines)
        self.length = drawn.names.index(b"content-length") if b"content-length" in drawn.names else -1  # among the names
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

    def wanted(self, block: bytes) -> bool:
        """Whether something may be learnt from another head: not where they are all different."""
        if self._rest:
            self._rest -= 1
        return not self._rest and len(block) <= MAX_LAID_OUT

    def nothing(self) -> None:
        """There was nothing to learn."""
        self._rest = REST

    def add(self, layout: L) -> None:
        if len(self._recent) >= MAX_LAYOUTS and not self._recent.pop().used:
            self._rest = REST
        self._recent.insert(0, layout)


def drawn(first: bytes, lines: list[bytes], fields: list[Field], memo: FieldMemo, may_differ: Collection[int]) -> Drawn | None:
    """How `first` (a start line, or nothing) and the lines after it are laid out. None where a line that differs is of a kind that mustn't,
    or isn't the only one of its name."""
    parts: list[bytes] = []
    names: list[bytes] = []
    spelt: list[bytes] = []
    found: list[Field | int] = []
    text = first
    for raw, field in zip(lines, fields, strict=True):
        if memo.recurs(raw):
            found.append(field)
            text += b"\r\n" + raw
        elif field.kind in may_differ:
            found.append(len(names))
            names.append(field.name)
            spelt.append(raw[: raw.index(b":") + 1])
            parts.append(text + b"\r\n" + spelt[-1])
            text = b""
        else:
            return None
    fixed = {line.name for line in found if isinstance(line, Field)}
    distinct = len(set(names)) == len(names) and not fixed.intersection(names)
    return Drawn([*parts, text], names, spelt, found) if distinct and len(names) <= MAX_VALUES else None
