"""Arguments as a key: equal bytes for equal values of the same types, never for others. Pure; knows values, not objects with identity."""

from __future__ import annotations

import enum
import hashlib
import struct
import uuid
from collections.abc import Callable
from typing import Final

KEPT_BYTES: Final = 96  # of an encoding that is its own key; a longer one is replaced by its digest, so that keys stay small


class Unencodable(TypeError):  # noqa: N818 (caught where it is raised)
    """A value without a stable encoding; the text names its type."""


def key_of(value: object) -> bytes:
    """The key of `value`, at most KEPT_BYTES and one long."""
    encoded = encode(value)
    if len(encoded) <= KEPT_BYTES:
        return b"=" + encoded
    return b"#" + hashlib.blake2b(encoded, digest_size=32).digest()


def encode(value: object) -> bytes:
    """One octet of type, eight of length, the content: no two values run together. Subclasses are refused: they may mean more."""
    encoder = _ENCODERS.get(type(value))
    if encoder is not None:
        return encoder(value)
    if isinstance(value, enum.Enum):
        kind = type(value)
        return _framed(b"e", encode((kind.__module__, kind.__qualname__, value.name)))
    raise Unencodable(f"a value of type {type(value).__qualname__}")


def _framed(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack(">Q", len(content)) + content


def _all(kind: bytes, parts: list[bytes]) -> bytes:
    return _framed(kind, b"".join(parts))


_ENCODERS: Final[dict[type, Callable[..., bytes]]] = {
    type(None): lambda _: _framed(b"n", b""),
    bool: lambda value: _framed(b"o", b"1" if value else b"0"),
    int: lambda value: _framed(b"i", hex(value).encode()),  # not decimal: that is limited to some thousand digits
    float: lambda value: _framed(b"f", struct.pack(">d", value)),
    str: lambda value: _framed(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _framed(b"b", value),
    uuid.UUID: lambda value: _framed(b"u", value.bytes),
    tuple: lambda value: _all(b"t", [encode(part) for part in value]),
    frozenset: lambda value: _all(b"z", sorted(encode(part) for part in value)),
}
