"""Cache-Control and HTTP-date (RFC 9111 §5.2, §4.2.1). Pure; what it can't understand shortens a life, never lengthens it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from slipstream_runtime.cores.fields import HeaderField, members

MAX_SECONDS: Final = 1 << 31  # RFC 9111 §1.2.2: what can't be represented counts as 2^31
_MONTHS: Final = {
    b"Jan": 1,
    b"Feb": 2,
    b"Mar": 3,
    b"Apr": 4,
    b"May": 5,
    b"Jun": 6,
    b"Jul": 7,
    b"Aug": 8,
    b"Sep": 9,
    b"Oct": 10,
    b"Nov": 11,
    b"Dec": 12,
}


class Directives:
    """The directives of all Cache-Control lines of one message, names in lower case; the smallest of repeated numbers counts."""

    __slots__ = ("_numbers", "names")

    def __init__(self, fields: Iterable[HeaderField]) -> None:
        self.names: set[bytes] = set()
        self._numbers: dict[bytes, int] = {}
        for member in members(fields, b"cache-control"):
            name, separator, value = member.partition(b"=")
            name = name.rstrip(b" \t")
            self.names.add(name)
            if separator:
                number = delta_seconds(value)
                self._numbers[name] = min(number, self._numbers.get(name, number))

    def __contains__(self, name: bytes) -> bool:
        return name in self.names

    def limit(self, name: bytes) -> int:
        """The argument of `name`: -1 where the directive is absent, the most there is where it has none."""
        return self._numbers.get(name, MAX_SECONDS) if name in self.names else -1

    def seconds(self, name: bytes) -> int | None:
        """The argument of `name`: None where the directive is absent, 0 where it has none or can't be read."""
        return self._numbers.get(name, 0) if name in self.names else None


_MAX_VALUE: Final = 128  # longer ones aren't worth remembering
_MAX_VALUES: Final = 256
_remembered: Final[dict[bytes, Directives]] = {}  # of one line: servers say one of a few things, again and again


def directives_of(fields: Sequence[HeaderField]) -> Directives:
    """As `Directives(fields)`, remembered where there is one short line; what it returns is never changed."""
    only: HeaderField | None = None
    for field in fields:
        if field.name == b"cache-control":
            if only is not None:
                return Directives(fields)
            only = field
    if only is None:
        return _NONE
    found = _remembered.get(only.value)
    if found is None:
        found = Directives((only,))
        if len(only.value) <= _MAX_VALUE:
            if len(_remembered) >= _MAX_VALUES:
                _remembered.clear()
            _remembered[only.value] = found
    return found


def delta_seconds(value: bytes) -> int:
    """A delta-seconds, quoted or not; what isn't one counts as 0 (stale)."""
    value = value.strip(b' \t"')
    if not value.isdigit():
        return 0
    return min(int(value), MAX_SECONDS) if len(value) <= 10 else MAX_SECONDS


def http_date(value: bytes) -> int | None:
    """Seconds since 1970 of an IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`), None for anything else: obsolete forms count as invalid."""
    if len(value) != 29 or value[25:] != b" GMT" or value[3:5] != b", ":
        return None
    day, month, year = value[5:7], _MONTHS.get(value[8:11]), value[12:16]
    clock = value[17:25].split(b":")
    if month is None or len(clock) != 3 or not all(piece.isdigit() for piece in (day, year, *clock)):
        return None
    hours, minutes, seconds = (int(piece) for piece in clock)
    if not 1 <= int(day) <= 31 or hours > 23 or minutes > 59 or seconds > 60:
        return None
    return _days(int(year), month, int(day)) * 86_400 + hours * 3_600 + minutes * 60 + seconds


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of the proleptic Gregorian calendar (Hinnant, chrono-compatible date algorithms)."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


_NONE: Final = Directives(())
