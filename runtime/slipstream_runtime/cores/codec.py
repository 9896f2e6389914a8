"""Compression of stored bodies: which ones, and when it pays. Pure; the algorithm is passed in (compression.py has them)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LEAST_SAVING: Final = 0.1  # of a body's length; below it a hit would pay for next to nothing
MOST_BYTES: Final = 1 << 20  # a larger body would hold up the loop for several milliseconds, at each hit too
# Types whose bodies are compressed already. What isn't listed is tried, and left where it saves too little.
DENSE: Final = (b"image/", b"audio/", b"video/", b"font/woff", b"application/zip", b"application/gzip", b"application/x-gzip",
                b"application/zstd", b"application/x-7z", b"application/x-bzip", b"application/x-xz", b"application/pdf",
                b"application/vnd.openxmlformats", b"application/java-archive")  # fmt: skip
NOT_DENSE: Final = (b"image/svg+xml", b"image/bmp", b"image/x-icon")


class Codec:
    """One algorithm for one store. Counters: `encoded` bodies, `saved` bytes of them, `useless` attempts."""

    __slots__ = ("_body", "_compress", "_data", "_decompress", "encoded", "min_bytes", "saved", "useless")

    def __init__(self, compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes], min_bytes: int) -> None:
        self._compress = compress
        self._decompress = decompress  # raises ValueError where what it gets isn't what `compress` made
        self.min_bytes = min_bytes
        self.encoded: int = 0
        self.saved: int = 0
        self.useless: int = 0
        self._data: bytes | None = None  # the last that was decoded, and its body: a hit asks twice, to check and to send
        self._body: bytes = b""

    def encode(self, head: bytes, body: bytes) -> bytes | None:
        """What to keep instead of the body of an answer with this head; None: the body itself."""
        length = len(body)
        if not self.min_bytes <= length <= MOST_BYTES or not compressible(head):
            return None
        data = self._compress(body)
        if len(data) > length * (1.0 - LEAST_SAVING):
            self.useless += 1
            return None
        self.encoded += 1
        self.saved += length - len(data)
        return data

    def decode(self, data: bytes) -> bytes:
        """The body again; raises ValueError where `data` is damaged."""
        if data is not self._data:
            self._body = self._decompress(data)
            self._data = data
        return self._body

    def intact(self, data: bytes) -> bool:
        """`decode` will give the body."""
        try:
            self.decode(data)
        except ValueError:
            return False
        return True


def compressible(head: bytes) -> bool:
    """An answer with this head (lines separated by CRLF) isn't compressed already."""
    lines = head.lower()
    if b"\r\ncontent-encoding:" in lines:
        return False
    at = lines.find(b"\r\ncontent-type:")
    if at < 0:
        return True
    media = lines[at + 15 :].split(b"\r\n", 1)[0].strip()
    return media.startswith(NOT_DENSE) or not media.startswith(DENSE)
