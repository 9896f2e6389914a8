"""How a sender lays its heads out: lines that are always the same between lines whose values differ, so that most of a head is compared
and little of it read. Pure; never takes what the scanners would refuse, and retains no value of a line that isn't remembered anyway.

A layout is a regular expression without alternatives: one call compares a whole head, its end included, where a line of Python for each
of its lines took longer than all of the call."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Generic, TypeVar

from slipstream_runtime.cores.fields import Known
from slipstream_runtime.http.fields import MAX_LENGTH_DIGITS, Field, FieldMemo

MAX_LAYOUTS: Final = 8  # that are tried, the last used first
MAX_VALUES: Final = 12  # in one of them
MAX_LAID_OUT: Final = 1_024  # bytes that are the same: compiling them takes half a millisecond, and `re` itself keeps the last 512
REST: Final = 256  # heads after one that nothing was learnt from, and once there are as many as may be, before the next is looked at
NO_LENGTH: Final = -1
Match = Callable[[bytes, int], re.Match[bytes] | None]
END: Final = re.escape(b"\r\n\r\n")
_VALUE: Final = rb"([\t -~\x80-\xff]*+)"  # as fields.VALUE


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

    __slots__ = ("length", "lines", "match", "pattern", "spelt", "start")

    def __init__(self, drawn: Drawn, first: bytes = b"") -> None:
        """`first`: what the first value is like, in front of all that is drawn; it has no name."""
        names, spelt = (drawn.names, drawn.spelt) if not first else ([b"", *drawn.names], [b"", *drawn.spelt])
        super().__init__([line for line in drawn.lines if isinstance(line, Field)], names)
        self.start = drawn.parts[0]
        self.spelt = spelt
        self.lines = len(drawn.lines)
        self.length = self.place(b"content-length")
        # Of data and an index: its groups are the values, blanks around them and all; it ends behind the empty line.
        self.pattern = re.compile(first + _VALUE.join(map(re.escape, drawn.parts)) + END)
        self.match: Match = self.pattern.match

    def place(self, name: bytes) -> int:
        """Among the values; -1 where it isn't."""
        return self.names.index(name) if name in self.names else -1

    def content_length(self, values: Sequence[bytes]) -> int:
        """Of a head whose Content-Length is among the values; NO_LENGTH where it isn't a number."""
        value = values[self.length].strip(b" \t")
        return int(value) if value.isdigit() and len(value) <= MAX_LENGTH_DIGITS else NO_LENGTH


L = TypeVar("L", bound=Layout)


def _nothing(data: bytes, at: int) -> re.Match[bytes] | None:
    return None


class Layouts(Generic[L]):
    """Those of one scanner."""

    __slots__ = ("_recent", "_rest", "match", "usual")

    def __init__(self) -> None:
        self._recent: list[L] = []
        self._rest = 0
        self.usual: Any = None  # the one that was found last, an L
        self.match: Match = _nothing  # its own: as usual it is the same again

    def find(self, data: bytes, at: int) -> re.Match[bytes] | None:
        """As `match`, of the others: what of a head is in data[at:], and `usual` is who found it. None where none of them did."""
        for layout in self._recent:
            found = None if layout is self.usual else layout.match(data, at)
            if found is not None:
                self.usual, self.match = layout, layout.match
                self._recent.remove(layout)
                self._recent.insert(0, layout)
                return found
        return None

    def wanted(self) -> bool:
        """Whether something may be learnt from another head: not where they are all different."""
        if self._rest:
            self._rest -= 1
        return not self._rest

    def nothing(self) -> None:
        """There was nothing to learn."""
        self._rest = REST

    def add(self, layout: L) -> None:
        if len(self._recent) >= MAX_LAYOUTS:
            self._recent.pop()
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
    parts.append(text)
    small = len(names) <= MAX_VALUES and sum(map(len, parts)) <= MAX_LAID_OUT
    return Drawn(parts, names, spelt, found) if distinct and small else None
