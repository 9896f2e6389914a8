"""What the cores need of a header line, and how list-valued fields are read (RFC 9110 §5.6). Pure; frames nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final


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
