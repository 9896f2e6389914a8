"""The chunked coding: the same body however its bytes are cut, and nothing accepted that another parser could end elsewhere."""

from __future__ import annotations

import pytest

from slipstream_runtime.http.chunks import LAST_CHUNK, ChunkDecoder, encode_chunk
from slipstream_runtime.http.errors import MalformedError


def decode(data: bytes, cut: int | None = None) -> tuple[bytes, bytes, bool]:
    """Body, what is left, done; fed in two parts where `cut` says so, else byte by byte and then whole (must agree)."""
    decoder, pieces = ChunkDecoder(), []
    at = 0
    for part in [data] if cut is None else [data[:cut], data[cut:]]:
        used = decoder.feed(part, 0, pieces) if not decoder.done else 0
        at += used
    return b"".join(pieces), data[at:], decoder.done


def feed_all(parts: list[bytes]) -> None:
    decoder = ChunkDecoder()
    for part in parts:
        decoder.feed(part, 0, [])


GOOD = {
    "empty": (b"0\r\n\r\n", b""),
    "one": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "two": (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    "hex": (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "leading_zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "extension": (b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "space_before_extension": (b"5 ;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailer": (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"),
    "crlf_in_data": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
}

BAD = {
    "not_hex": b"g\r\n",
    "empty_size": b"\r\n",
    "negative": b"-5\r\nhello\r\n",
    "prefix": b"0x5\r\nhello\r\n",
    "underscore": b"1_0\r\n0123456789abcdef\r\n",
    "space_before_size": b" 5\r\nhello\r\n",
    "space_after_size": b"5 \r\nhello\r\n",
    "bare_lf_after_size": b"5\nhello\r\n0\r\n\r\n",
    "bare_cr_in_size": b"5\rX\r\nhello\r\n",
    "bare_lf_in_extension": b"5;a\nb\r\nhello\r\n",
    "nul_in_extension": b"5;\x00\r\nhello\r\n",
    "longer_than_it_says": b"4\r\nhello\r\n0\r\n\r\n",
    "shorter_than_it_says": b"6\r\nhello\r\n0\r\n\r\n",
    "bare_lf_after_data": b"5\r\nhello\n0\r\n\r\n",
    "bad_trailer": b"0\r\nX : 1\r\n\r\n",
    "folded_trailer": b"0\r\nX: 1\r\n y\r\n\r\n",
    "bare_lf_trailer": b"0\r\nX: 1\n\r\n",
    "huge": b"FFFFFFFFFFFFFFFF1\r\n",
}


@pytest.mark.parametrize("case", GOOD)
def test_a_body_is_the_same_however_it_is_cut(case: str) -> None:
    """Every cut in two, and byte by byte, with bytes of the next message behind it."""
    data, body = GOOD[case]
    assert decode(data + b"NEXT") == (body, b"NEXT", True)
    for cut in range(len(data) + 1):
        assert decode(data, cut) == (body, b"", True)
    decoder, pieces = ChunkDecoder(), []
    for n in range(len(data)):
        decoder.feed(data[n : n + 1], 0, pieces)
    assert (b"".join(pieces), decoder.done) == (body, True)


@pytest.mark.parametrize("case", BAD)
def test_bad_chunks_are_refused_however_they_are_cut(case: str) -> None:
    """CR, LF, NUL, sizes and trailers: RFC 9112 §7.1 to the letter."""
    data = BAD[case]
    for cut in (None, *range(1, len(data))):
        with pytest.raises(MalformedError):
            decode(data, cut)


def test_endless_lines_are_refused() -> None:
    """A chunk extension or trailer without an end is bounded."""
    for head, filler in [(b"5;", b"x" * 100), (b"0\r\n", b"X: " + b"x" * 97 + b"\r\n"), (b"0\r\nX: ", b"x" * 100)]:
        with pytest.raises(MalformedError):
            feed_all([head, *[filler] * 400])


def test_what_is_encoded_decodes() -> None:
    """The encoder writes what the decoder takes."""
    data = encode_chunk(b"a" * 17) + encode_chunk(b"b") + LAST_CHUNK
    assert decode(data) == (b"a" * 17 + b"b", b"", True)
