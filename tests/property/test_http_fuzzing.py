"""The fuzzer itself: a small budget of it in each run, and that it finds what it is for. `make fuzz` runs it for longer."""

from __future__ import annotations

import pytest

from slipstream_runtime.proxy.client import Client
from tests.fakes.http_wire import cut
from tests.property import http_fuzz
from tests.property.http_fuzz import fuzz_cases, leaked, main

BUDGET = 1_500


def test_trap_39_nothing_is_found_in_a_small_budget() -> None:
    """The same cases in every run."""
    fuzz_cases(BUDGET, "make test")


def test_parsing_leaves_nothing_behind() -> None:
    """Twice as many messages, no more memory."""
    assert leaked("leak", rounds=300) < http_fuzz.MAX_LEFT * 300 / 1_000


def test_a_run_that_leaves_bytes_behind_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the planted leak of a copy of each case it ends well, and says so."""
    monkeypatch.setattr(http_fuzz, "LEAK_ROUNDS", 200)
    main(["0", "leak"])
    assert "0 cases, no finding" in capsys.readouterr().out
    kept: list[bytes] = []

    def keeping(data: bytes, places: list[int]) -> list[bytes]:
        kept.append(bytes(bytearray(data)))
        return cut(data, places)

    monkeypatch.setattr(http_fuzz, "cut", keeping)
    with pytest.raises(SystemExit, match=r"seed leak.* bytes left behind"):
        main(["0", "leak"])


def test_a_connection_that_loses_octets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control, of the connections, which stay ordinary Python where the parsers are compiled; test_http_fuzzing_controls has the
    parsers' own."""
    keep = Client._keep
    monkeypatch.setattr(Client, "_keep", lambda self, rest: keep(self, rest[:-1]))
    with pytest.raises(AssertionError):
        fuzz_cases(BUDGET, "planted")
