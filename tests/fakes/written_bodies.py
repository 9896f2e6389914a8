"""Bodies of writes for proxy_model: framed and cut as a slow caller sends them, read again as an upstream does. Keeps which is whose."""

from __future__ import annotations

import re
from random import Random

LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\nTransfer-Encoding: chunked\r\n", re.IGNORECASE)
SIZES = (0, 0, 1, 5, 40, 300, 3_000)


class Written:
    """All writes, by number: whose, and what was in them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.bodies: list[tuple[bytes, bytes]] = []
        self.read: set[int] = set()  # by an upstream

    def request(self, session: bytes) -> list[bytes]:
        """A new write's request, in the pieces in which its caller sends it; the head is in the first."""
        number = len(self.bodies)
        body = b"%b %d " % (session, number) + self.random.randbytes(self.random.choice(SIZES))
        self.bodies.append((session, body))
        chunked = self.random.random() < 0.4
        lines = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
        head = b"POST /w HTTP/1.1\r\nHost: up\r\nX-Session-Id: %b\r\n%b\r\n" % (session, lines)
        framed = self._chunks(body) if chunked else body
        cuts = sorted(self.random.randrange(len(framed) + 1) for _ in range(self.random.choice((0, 0, 1, 2, 3))))
        pieces = [framed[start:end] for start, end in zip([0, *cuts], [*cuts, len(framed)], strict=True)]
        return [head + pieces[0], *[piece for piece in pieces[1:] if piece]]

    def _chunks(self, body: bytes) -> bytes:
        at = self.random.randrange(len(body))
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:at], body[at:]) if part) + b"0\r\n\r\n"

    def arrived(self, session: bytes, body: bytes) -> None:
        """An upstream has read a whole write: it is one that its session made, octet for octet, and comes once."""
        number = int(body.split(b" ", 2)[1])
        assert self.bodies[number] == (session, body), "not the body that its caller sent"
        assert number not in self.read, "a write that may have been carried out is sent again"
        self.read.add(number)


def whole(request: bytes) -> bytes | None:
    """The body of one request as it goes to an upstream; None while it isn't complete. Fails where there is more."""
    head, _, rest = request.partition(b"\r\n\r\n")
    if CHUNKED.search(head + b"\r\n"):
        return _joined(rest)
    length = LENGTH.search(head + b"\r\n")
    size = int(length[1]) if length else 0
    assert len(rest) <= size, "more than the request"
    return rest if len(rest) == size else None


def _joined(rest: bytes) -> bytes | None:
    body = b""
    while (end := rest.find(b"\r\n")) >= 0:
        size = int(rest[:end], 16)
        if len(rest) < end + 4 + size:
            return None
        body += rest[end + 2 : end + 2 + size]
        rest = rest[end + 4 + size :]
        if not size:
            assert not rest, "more than the request"
            return body
    return None


def session_of(request: bytes) -> bytes:
    return request.split(b"X-Session-Id: ")[1].split(b"\r\n")[0]


def is_write(request: bytes) -> bool:
    """A whole one: half a write has no effect."""
    return request.startswith(b"POST") and whole(request) is not None
