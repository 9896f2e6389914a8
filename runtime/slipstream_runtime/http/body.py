"""A body as it arrives: which bytes are its, and whether it is complete. For both directions. Pure; copies what it must."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.chunks import LAST_CHUNK, ChunkDecoder, encode_chunk
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.framing import CHUNKED, UNTIL_CLOSE

UNKNOWN: Final = -1


class BodyReader:
    """Reads one body after another: `begin`, then `take` until `complete`."""

    __slots__ = ("_decoder", "_kind", "_room", "complete", "left")

    def __init__(self) -> None:
        self._room = UNKNOWN
        self.complete = True
        self.left = 0  # bytes still to come, UNKNOWN where only the end will tell
        self._kind = 0
        self._decoder: ChunkDecoder | None = None

    def begin(self, kind: int, most: int = 0) -> None:
        """`kind` as in framing: a length, CHUNKED or UNTIL_CLOSE. More bytes than `most` are an error (0: as many as there are)."""
        if most and kind > most:
            raise MalformedError(413, "the body is too long")
        self._room = most or UNKNOWN
        self._kind = kind
        self.left = kind if kind >= 0 else UNKNOWN
        self.complete = kind == 0
        self._decoder = ChunkDecoder() if kind == CHUNKED else None

    def take(self, data: bytes, at: int) -> tuple[bytes, int]:
        """The body bytes in data[at:], and the index after them (and after the framing around them). Raises MalformedError."""
        if self._decoder is not None:
            pieces: list[bytes] = []
            at = self._decoder.feed(data, at, pieces)
            self.complete = self._decoder.done
            content = b"".join(pieces)
            if self._room != UNKNOWN:
                if len(content) > self._room:
                    raise MalformedError(413, "the body is too long")
                self._room -= len(content)
            return content, at
        size = len(data)
        if self._kind == UNTIL_CLOSE:
            return (data[at:] if at else data), size
        after = at + self.left
        if after > size:
            self.left = after - size
            return (data[at:] if at else data), size
        self.left = 0
        self.complete = True
        return (data[at:after] if at or after < size else data), after

    @property
    def ends_with_connection(self) -> bool:
        return self._kind == UNTIL_CLOSE


def framed(data: bytes, complete: bool) -> bytes:
    """Body bytes as chunks, with the last one where the body is complete."""
    chunk = encode_chunk(data) if data else b""
    return chunk + LAST_CHUNK if complete else chunk
