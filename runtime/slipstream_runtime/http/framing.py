"""Where a message ends: the one decision that smuggling attacks. Pure; RFC 9112 §6, with its MAYs decided for the strict side.

A body is one number: n >= 0 bytes, or CHUNKED, or UNTIL_CLOSE (answers only)."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import TRANSFER_ENCODING, Field, LengthField

NO_BODY: Final = 0
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


def declared_body(special: list[Field], http11: bool) -> int | None:
    """The body that Content-Length or Transfer-Encoding declares, None where neither does; raises where they can't be believed."""
    body: int | None = None
    for field in special:
        if isinstance(field, LengthField):
            if body is not None:
                raise MalformedError(400, "more than one of Content-Length and Transfer-Encoding")
            body = field.number
        elif field.kind == TRANSFER_ENCODING:
            if body is not None:
                raise MalformedError(400, "more than one of Content-Length and Transfer-Encoding")
            if not http11:
                raise MalformedError(400, "Transfer-Encoding in an HTTP/1.0 message")
            if b"\t" in field.raw:  # allowed around a value, but there are parsers that take it for a part of the coding's name
                raise MalformedError(400, "a tab beside a Transfer-Encoding")
            if field.value.lower() != b"chunked":
                raise MalformedError(501, "a Transfer-Encoding other than chunked")
            body = CHUNKED
    return body


def answer_body(method: bytes, status: int, declared: int | None) -> int:
    """How the answer with `status` to a `method` request ends (RFC 9112 §6.3)."""
    if method == b"HEAD" or status < 200 or status == 204 or status == 304:
        return NO_BODY
    return UNTIL_CLOSE if declared is None else declared
