"""What the cores need of a header line, and how list-valued fields are read (RFC 9110 §5.6). Pure; frames nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final, Protocol


class HeaderField:
    """A checked header line; `name` is lower case, `value` without surrounding blanks."""

    __slots__ = ("name", "value")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name: bytes = name
        self.value: bytes = value


class PlainField(HeaderField):
    """A header line where no scanner made one: tests."""

    __slots__ = ()

    def __init__(self, name: bytes, value: bytes) -> None:
        super().__init__(name.lower(), value)


class Lines(Protocol):
    """The lines of one head where a scanner made no field of them; sets of kinds are as the scanner numbers them, a bit each."""

    @property
    def present(self) -> int:
        """The kinds that occur."""

    @property
    def body(self) -> int:
        """The body that the lines declare, as framing has it; 0 where they don't."""

    @property
    def host(self) -> bytes | None:
        """The value of Host."""

    def forwarded(self, drop: int, host: bytes, tail: bytes, /) -> bytes:
        """Start line and lines but those of a kind in `drop`, Host's value replaced unless `host` is empty; then `tail`."""

    def raw(self, drop: int, /) -> list[bytes]:
        """The lines as they came, without those of a kind in `drop`."""

    def kinds(self, mask: int, /) -> list[bytes]:
        """The lines of a kind in `mask`, as they came."""

    def rule(self, codes: dict[bytes, int], secret: bytes, prefix: bytes, /) -> Any:
        """What `gather` wants of a rule: its names, and what its keys are hashed with."""

    def gather(self, rule: Any, method: bytes, target: bytes, /) -> tuple[int, int, bool, bytes]:
        """For a cache: all flags, the partition, whether some identity isn't empty, and the key."""


_numbers: Final = count(1)


class Known:
    """What many heads have in common: lines, and the names of the others. What is found out about it is found out once."""

    __slots__ = ("fields", "names", "number")

    def __init__(self, fields: Sequence[HeaderField], names: Sequence[bytes]) -> None:
        self.fields = fields
        self.names = names
        self.number: int = next(_numbers)  # nobody else's, for who remembers it without keeping it


class Head:
    """What the cores ask of a message's head: its lines where they are unread, and its fields, made when they are asked for."""

    __slots__ = ("lines",)

    def __init__(self, lines: Lines | None) -> None:
        self.lines = lines

    @property
    def fields(self) -> Sequence[HeaderField]:
        raise NotImplementedError


class Asked(Head):
    """A request's. Where `known` isn't None, `fields` are its fields and one for each of its names, with `values` (blanks around them and
    all, but no other controls than tabs); no name is there twice among these, or among both."""

    __slots__ = ("known", "values")

    def __init__(self, lines: Lines | None) -> None:
        self.lines = lines
        self.known: Known | None = None
        self.values: Sequence[bytes] = ()


# Names that carry a caller's identity by custom. The first three are what partition PerCaller stands for.
CALLER: Final = (b"authorization", b"cookie", b"mcp-session-id")
CREDENTIALS: Final = (
    *CALLER,
    b"x-api-key",
    b"api-key",
    b"apikey",
    b"x-auth-token",
    b"x-access-token",
    b"x-amz-security-token",
    b"x-goog-api-key",
)


def members(fields: Iterable[HeaderField], name: bytes) -> list[bytes]:
    """The members of the list-valued field `name`, over all its lines, in lower case; quoted commas don't split."""
    found: list[bytes] = []
    for field in fields:
        if field.name == name:
            found += split_list(field.value)
    return found


def split_list(value: bytes) -> list[bytes]:
    """Comma-separated members in lower case, blanks around them and empty ones dropped; a quoted string is one piece."""
    if b'"' not in value:
        return [member for piece in value.lower().split(b",") if (member := piece.strip(b" \t"))]
    pieces: list[bytes] = []
    start = 0
    quoted = escaped = False
    for at, octet in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and octet == 0x5C:
            escaped = True
        elif octet == 0x22:
            quoted = not quoted
        elif octet == 0x2C and not quoted:
            pieces.append(value[start:at])
            start = at + 1
    pieces.append(value[start:])
    return [member for piece in pieces if (member := piece.lower().strip(b" \t"))]
