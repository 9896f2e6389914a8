"""Validators and conditions (RFC 9110 §8.8, §13; RFC 9111 §3.2, §4.3) over stored heads. Pure; frames nothing.

A stored head was checked by a scanner: start line and field lines joined by CRLF, without the empty line; its Content-Length is that of
the stored body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from slipstream_runtime.cores.directives import http_date
from slipstream_runtime.cores.fields import HeaderField

# What a 304 may not change: they say how the stored body is to be read, which a 304 doesn't carry (RFC 9111 §3.2).
_OF_THE_BODY: Final = frozenset((b"content-length", b"content-encoding", b"content-type", b"content-range", b"transfer-encoding"))
# Told anew by whoever sends it.
_OF_THE_MESSAGE: Final = frozenset((b"age", b"connection", b"keep-alive", b"via"))
# RFC 9110 §15.4.5: what a 304 repeats of the 200 that it stands for.
_OF_A_304: Final = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary", b"last-modified"))


def fields_of(head: bytes) -> list[HeaderField]:
    """The field lines of a stored head."""
    return [_field(line) for line in head.split(b"\r\n")[1:]]


def _field(line: bytes) -> HeaderField:
    name, _, value = line.partition(b":")
    return HeaderField(name.lower(), value.strip(b" \t"))


def value_of(fields: Iterable[HeaderField], name: bytes) -> bytes:
    """The value of the only field `name`; empty where there is none, or more than one."""
    values = [field.value for field in fields if field.name == name]
    return values[0] if len(values) == 1 else b""


def conditions(head: bytes) -> bytes:
    """Lines that ask whether the stored answer is still right, each with a leading CRLF; empty without a validator."""
    fields = fields_of(head)
    etag, modified = value_of(fields, b"etag"), value_of(fields, b"last-modified")
    lines = b"\r\nIf-None-Match: " + etag if etag else b""
    return lines + b"\r\nIf-Modified-Since: " + modified if modified else lines


def confirms(head: bytes, fields: Sequence[HeaderField]) -> bool:
    """A 304 with `fields` is about the stored answer: it names no other entity tag, and without one no other date (RFC 9111 §4.3.4)."""
    stored = fields_of(head)
    named = value_of(fields, b"etag")
    if named:
        return opaque(named) == opaque(value_of(stored, b"etag"))
    modified = value_of(fields, b"last-modified")
    return not modified or modified == value_of(stored, b"last-modified")


def merged(head: bytes, fields: Sequence[HeaderField]) -> bytes:
    """The stored head with what a 304 brings: each of its fields takes the place of all stored ones of its name (RFC 9111 §3.2)."""
    new = [field for field in fields if field.name not in _OF_THE_BODY and field.name not in _OF_THE_MESSAGE]
    names = {field.name for field in new}
    start, *lines = head.split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([start, *[b"%b: %b" % (field.name.title(), field.value) for field in new], *kept])


def not_modified(head: bytes, asked: Sequence[HeaderField]) -> bool:
    """A request with `asked` already has what is stored: to be answered 304 (RFC 9110 §13.2.2, steps 3 and 4). Only a 200 is had."""
    if head[9:12] != b"200":
        return False
    tags = [field.value for field in asked if field.name == b"if-none-match"]
    stored = fields_of(head)
    if tags:
        return _matches(tags, value_of(stored, b"etag"))
    since = http_date(value_of(asked, b"if-modified-since"))
    modified = http_date(value_of(stored, b"last-modified"))
    return since is not None and modified is not None and modified <= since


def _matches(tags: list[bytes], etag: bytes) -> bool:
    """Weak comparison with any of a list (RFC 9110 §8.8.3.2); what isn't a list of entity tags matches nothing."""
    if any(value.strip() == b"*" for value in tags):
        return True
    return bool(etag) and any(opaque(piece) == opaque(etag) for value in tags for piece in _entity_tags(value))


def _entity_tags(value: bytes) -> list[bytes]:
    """The entity tags of a list; a comma inside of one doesn't split it."""
    found: list[bytes] = []
    at = 0
    while (opening := value.find(b'"', at)) >= 0:
        closing = value.find(b'"', opening + 1)
        if closing < 0:
            break
        found.append(value[opening : closing + 1])
        at = closing + 1
    return found


def opaque(etag: bytes) -> bytes:
    """Without the mark of a weak one."""
    return etag.removeprefix(b"W/")


def not_modified_head(head: bytes) -> bytes:
    """The head of the 304 that stands for a stored 200."""
    lines = head.split(b"\r\n")[1:]
    return b"\r\n".join([b"HTTP/1.1 304 Not Modified", *[line for line in lines if line.partition(b":")[0].lower() in _OF_A_304]])
