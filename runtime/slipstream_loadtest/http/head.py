"""The head of a common answer, read at once: status, length, whether the connection stays, outcome of the cache. Pure.

Reads only what leaves no question: HTTP/1.1, a final status with a body, one length in digits. For anything else it answers None, and
httptools reads the answer. Heads repeat (all answers of one second often have the same), so those seen are remembered, boundedly.
"""

from __future__ import annotations

import re
from typing import Final

from slipstream_loadtest.http import cache_status

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: [^\r\n]*)?\r\n")
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CACHE_STATUS: Final = re.compile(rb"\r\ncache-status:[ \t]*([^\r\n]*)", re.IGNORECASE)
_BODILESS: Final = frozenset({204, 205, 304})
_KEPT: Final = 1024
_LONGEST: Final = 10  # digits of a length


class Head:
    """What a head says. `raw`: its bytes, with the empty line."""

    __slots__ = ("cache", "keeps", "length", "raw", "status")

    def __init__(self, raw: bytes, status: int, length: int, keeps: bool, cache: str) -> None:
        self.raw = raw
        self.status = status
        self.length = length
        self.keeps = keeps
        self.cache = cache

    def header(self, name: bytes) -> list[bytes]:
        """The values of a header by its name in lower case, in their order."""
        lines = (line.partition(b":") for line in self.raw.split(b"\r\n")[1:])
        return [value.strip(b" \t") for given, colon, value in lines if colon and given.lower() == name]


class Heads:
    """Heads by their bytes."""

    __slots__ = ("_outcomes", "_seen", "get")

    def __init__(self) -> None:
        self._seen: dict[bytes, Head | None] = {}
        self._outcomes: dict[bytes, str] = {}
        self.get = self._seen.get

    def read(self, raw: bytes) -> Head | None:
        """A head that `get` doesn't know, or knows as uncommon."""
        if raw in self._seen:
            return None
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        head = self._seen[raw] = self._read(raw)
        return head

    def of(self, raw: bytes, status: int) -> Head:
        """A head that something else has read."""
        end = raw.find(b"\r\n\r\n") + 2
        named = _CACHE_STATUS.findall(raw, 0, end) if end > 1 else []
        return Head(raw, status, 0, keeps=False, cache=self._outcome(named[-1]) if named else "")

    def _read(self, raw: bytes) -> Head | None:
        begun = _STATUS_LINE.match(raw)
        lines = raw[begun.end() : -4].split(b"\r\n") if begun is not None and begun.end() < len(raw) - 2 else []
        if begun is None or not lines or b"\0" in raw or raw.count(b"\n") != len(lines) + 2 or raw.count(b"\r") != len(lines) + 2:
            return None
        length, keeps, cache = -1, True, ""
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name.translate(None, _TOKEN):
                return None
            known = name.lower()
            if known == b"content-length":
                value = value.strip(b" \t")
                if length >= 0 or not value.isdigit() or len(value) > _LONGEST:
                    return None
                length = int(value)
            elif known == b"cache-status":
                cache = self._outcome(value.strip(b" \t"))
            elif known == b"connection":
                value = value.strip(b" \t").lower()
                if value not in (b"close", b"keep-alive"):
                    return None
                keeps = keeps and value == b"keep-alive"
            elif known in (b"transfer-encoding", b"upgrade"):
                return None
        status = int(begun[1])
        return None if length < 0 or status in _BODILESS else Head(raw, status, length, keeps, cache)

    def _outcome(self, value: bytes) -> str:
        known = self._outcomes.get(value)
        if known is None:
            if len(self._outcomes) >= _KEPT:  # some carry a changing ttl
                self._outcomes.clear()
            known = self._outcomes[value] = cache_status.outcome(value.decode("latin-1"))
        return known
