"""A request's first line: strictly checked, and split into what is routed by. Pure; remembers nothing itself."""

from __future__ import annotations

from typing import Any, Final

from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import HOST, TOKEN
from slipstream_runtime.http.heads import Limits

# Visible ASCII without `#`: what a request target may be made of (a fragment is never sent).
TARGET: Final = bytes(c for c in range(0x21, 0x7F) if c != 0x23)


class RequestLine:
    """A checked request line. `target` is in origin form (or `*`); `authority` is that of an absolute form, else empty."""

    __slots__ = (
        "asked",
        "asked_known",
        "asked_of",
        "authority",
        "http11",
        "method",
        "operation",
        "path",
        "plain",
        "routed_by",
        "scope",
        "target",
    )

    def __init__(self, method: bytes, target: bytes, http11: bool, authority: bytes) -> None:
        self.method = method
        self.target = target
        self.http11 = http11
        self.authority = authority
        self.plain = http11 and not authority  # Host says whom it asks, and nothing has to be added
        path = target.partition(b"?")[0]
        self.path = path.decode("ascii")
        self.scope = path_scope(self.path)  # of what a write to it ends
        self.routed_by: object = None  # the router that `operation` is of: what routing remembers about this line
        self.operation: Any = None
        self.asked_of: object = None  # the reader that `asked` is of: what a head of this line and of known lines asks of a cache
        self.asked_known: int = 0  # the number of these known lines
        self.asked: Any = None


def parse_request_line(raw: bytes, limits: Limits) -> RequestLine:
    """The request line in `raw`; raises MalformedError with the status that RFC 9110 and 9112 give each fault."""
    parts = raw.split(b" ")
    if len(parts) != 3:
        raise MalformedError(400, "the request line isn't `method target version`")
    method, target, version = parts
    if not method or method.translate(None, TOKEN):
        raise MalformedError(400, "the method isn't a token")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        known = version.startswith(b"HTTP/") and not version.translate(None, b"HTP/.0123456789")
        raise MalformedError(505 if known else 400, "the version isn't HTTP/1.1 or HTTP/1.0")
    if len(target) > limits.target:
        raise MalformedError(414, "the request target is too long")
    if not target or target.translate(None, TARGET):
        raise MalformedError(400, "the request target has a character that must be percent-encoded")
    target, authority = _origin_form(method, target)
    return RequestLine(method, target, version == b"HTTP/1.1", authority)


def _origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    if method == b"CONNECT":
        raise MalformedError(501, "CONNECT isn't supported: address the upstream itself")
    if target[:1] == b"/" or (target == b"*" and method == b"OPTIONS"):
        return target, b""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise MalformedError(400, "the request target isn't a path")
    cut = min(at for at in (rest.find(b"/"), rest.find(b"?"), len(rest)) if at >= 0)
    authority, path = rest[:cut], rest[cut:]
    if not authority or authority.translate(None, HOST):
        raise MalformedError(400, "the authority of the request target isn't a host name")
    return (path if path[:1] == b"/" else b"/" + path), authority
