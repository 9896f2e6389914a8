"""What origin.py answers and every caller checks: bodies that say whose, of what and how old they are, in every byte; sends nothing."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Wrong = Literal["", "foreign", "stale", "truncated", "other"]
Kind = Literal["stored", "passed", "written"]
GROUPS: Final = 8  # of keys; a write concerns its group
HOST: Final = b"memory-server:8080"


class Mark(NamedTuple):
    """One answer's origin: `version` counts the writes to `key`."""

    caller: bytes
    key: int
    version: int
    size: int

    def line(self) -> bytes:
        """What the body repeats."""
        return b"%b %d %d %d\n" % self

    def body(self) -> bytes:
        """`size` bytes, at least the first line."""
        line = self.line()
        return (line * (self.size // len(line) + 1))[: max(self.size, len(line))]


def target(kind: Kind, key: int, size: int, delay_ms: int = 0, chunked: bool = False) -> bytes:
    """What to ask for: one of the keys, in its group, of `size` bytes, after a delay. `written` is for writes to what is `stored`."""
    return b"/%b%d/%d?size=%d&delay=%d&chunked=%d" % (kind.encode(), key % GROUPS, key, size, delay_ms, chunked)


def request(method: bytes, where: bytes, caller: bytes, body: bytes = b"") -> bytes:
    """The bytes of one request by `caller`."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\nAuthorization: %b\r\n%b\r\n%b" % (method, where, HOST, caller, length, body)


def read(body: bytes) -> Mark | None:
    """The mark that a body carries at its start, if any."""
    try:
        caller, key, version, size = body[: body.index(b"\n")].rsplit(b" ", 3)
        return Mark(caller, int(key), int(version), int(size))
    except ValueError:
        return None


def judge(body: bytes, caller: bytes, key: int, floor: int, size: int) -> Wrong:
    """What is wrong with an answer that its framing called complete: nobody else's, no older than `floor`, and whole."""
    mark = read(body)
    if mark is None:
        return "truncated"
    if mark.caller != caller:
        return "foreign"
    if mark.key != key:
        return "other"
    if mark.version < floor:
        return "stale"
    if mark.size != size or len(body) < len(mark.body()):
        return "truncated"
    return "" if body == mark.body() else "other"
