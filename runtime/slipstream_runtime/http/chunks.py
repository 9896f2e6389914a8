"""The chunked transfer coding: a strict decoder that says where the body ends, and the encoder. Pure. Trailers are checked and dropped.

Chunks are always re-framed: what a peer wrote between the data (extensions, leading zeros) never reaches the other side."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import VALUE, parse_field

LAST_CHUNK: Final = b"0\r\n\r\n"
MAX_SIZE_DIGITS: Final = 15
MAX_SIZE_LINE: Final = 1024  # size and extensions
MAX_TRAILERS: Final = 16_384
HEX: Final = b"0123456789abcdefABCDEF"

_SIZE: Final = 0
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILER: Final = 3


def encode_chunk(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, since an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkDecoder:
    """Feed bytes, get body pieces; `done` once the last chunk and its trailers are through."""

    __slots__ = ("_left", "_line", "_state", "_trailers", "done")

    def __init__(self) -> None:
        self.done = False
        self._state = _SIZE
        self._left = 0
        self._line = b""  # an unfinished line
        self._trailers = 0

    def feed(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        """Append the body bytes of data[start:] to `pieces`; the index after what was consumed (= len(data) unless done)."""
        at, end = start, len(data)
        while at < end and not self.done:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            else:
                at = self._feed_line(data, at)
        return at

    def _feed_line(self, data: bytes, at: int) -> int:
        stop = data.find(b"\n", at)
        if stop < 0:
            self._line += data[at:]
            self._check_unfinished()
            return len(data)
        line = self._line + data[at : stop + 1]
        self._line = b""
        if len(line) < 2 or line[-2] != 13:
            raise MalformedError(400, "a line of a chunked body doesn't end in CRLF")
        self._take(line[:-2])
        return stop + 1

    def _check_unfinished(self) -> None:
        limit = MAX_TRAILERS if self._state == _TRAILER else MAX_SIZE_LINE
        if len(self._line) > limit or (self._state == _DATA_END and self._line not in (b"", b"\r")):
            raise MalformedError(400, "a line of a chunked body doesn't end")
        if self._line.translate(None, VALUE) not in (b"", b"\r"):
            raise MalformedError(400, "a control character in the framing of a chunked body")

    def _take(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._left = chunk_size(line)
            self._state = _DATA if self._left else _TRAILER
        elif self._state == _DATA_END:
            if line:
                raise MalformedError(400, "a chunk is longer than it says")
            self._state = _SIZE
        elif line:
            self._trailers += len(line)
            if self._trailers > MAX_TRAILERS:
                raise MalformedError(431, "trailers are too long")
            parse_field(line)
        else:
            self.done = True


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line (`1*HEXDIG [; ext]`); raises MalformedError."""
    if len(line) > MAX_SIZE_LINE or line.translate(None, VALUE):
        raise MalformedError(400, "a chunk's first line is too long or has a control character")
    digits, semicolon, _ = line.partition(b";")
    if semicolon:
        digits = digits.rstrip(b" \t")  # BWS before an extension, RFC 9112 §7.1.1
    if not digits or len(digits) > MAX_SIZE_DIGITS or digits.translate(None, HEX):
        raise MalformedError(400, "a chunk's size isn't a hexadecimal number")
    return int(digits, 16)
