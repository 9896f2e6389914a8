"""Negative controls of the corpus: a parser with a leniency that has been an advisory somewhere fails it. Patches what compiles, so it runs
as ordinary Python alone."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_runtime.http import answer_scanner, chunks, fields, request_scanner
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import LengthField
from slipstream_runtime.http.framing import CHUNKED
from tests.corpus.http import Case, answers, requests
from tests.fakes.http_judge import answer_disagreements, request_disagreements

REQUESTS, ANSWERS = requests(), answers()


def _judged(case: Case) -> list[str]:
    if case in REQUESTS:
        return request_disagreements(case.data, case.strict)
    return answer_disagreements(case.data, case.method, case.end, case.strict)


def _length_wins(special: list[Any], http11: bool) -> int | None:
    """CL before TE, the last length of several."""
    lengths = [field.number for field in special if isinstance(field, LengthField)]
    return lengths[-1] if lengths else CHUNKED if any(field.kind == fields.TRANSFER_ENCODING for field in special) else None


def _any_end_of_line(data: bytes, start: int, seen: int, limits: Any) -> int:
    """A CR alone ends the head as well."""
    found = data.replace(b"\r\r\n", b"\r\n\r").find(b"\r\n\r", start)
    return found if len(data) >= found + 4 else -1


def _two_bytes_end_a_chunk(self: Any, data: bytes, at: int) -> int:
    """Any two bytes after a chunk's data (GHSA-vqfr-h8mv-ghfj)."""
    if self._state != chunks._DATA_END:
        return int(STRICT_FEED_LINE(self, data, at))
    taken = data[at : at + 2 - len(self._line)]
    self._line += taken
    if len(self._line) == 2:
        self._line, self._state = b"", chunks._SIZE
    return at + len(taken)


def _size_as_python_reads_it(line: bytes) -> int:
    """Signs, prefixes, underscores, spaces."""
    try:
        return max(0, int(line.partition(b";")[0], 16))
    except ValueError:
        raise MalformedError(400, "no number") from None


def _lf_ends_a_line(self: Any, data: bytes, at: int) -> int:
    """LF alone ends a line of the chunked coding."""
    stop = data.find(b"\n", at)
    if stop < 0:
        self._line += data[at:]
        return len(data)
    line, self._line = self._line + data[at:stop], b""
    self._take(line.removesuffix(b"\r"))
    return stop + 1


STRICT_FEED_LINE = chunks.ChunkDecoder._feed_line

LENIENT: dict[str, list[tuple[Any, str, Any]]] = {
    "length before chunked": [(request_scanner, "declared_body", _length_wins), (answer_scanner, "declared_body", _length_wins)],
    "CR ends a head": [(request_scanner, "head_end", _any_end_of_line), (answer_scanner, "head_end", _any_end_of_line)],
    "sizes as Python reads them": [(chunks, "chunk_size", _size_as_python_reads_it)],
    "anything behind a chunk": [(chunks.ChunkDecoder, "_feed_line", _two_bytes_end_a_chunk)],
    "LF in an extension ends it": [
        (chunks.ChunkDecoder, "_feed_line", _lf_ends_a_line),
        (chunks.ChunkDecoder, "_check_unfinished", lambda self: None),
    ],
    "controls in values": [(fields, "CONTROLS", b"a" * 256)],
    "any octet in names": [(fields, "TOKEN", bytes(range(256)))],
}


@pytest.mark.parametrize("fault", LENIENT)
def test_a_lenient_parser_fails_the_corpus(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: each leniency that has been an advisory somewhere is seen by a case of its own."""
    for place, name, lenient in LENIENT[fault]:
        monkeypatch.setattr(place, name, lenient)
    assert any(_judged(case) for case in REQUESTS + ANSWERS)
