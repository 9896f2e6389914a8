"""Layers that together do what a request does pass; one that is counted twice, or that a request has nothing of, is named."""

from __future__ import annotations

import math
from collections import Counter

from bench.layers.twice import calls, same, twice

TIMES = 10
WHOLE = Counter({"a.py:scan": 10, "a.py:find": 10, "a.py:rest": 10})
LAYERS = {"scan": Counter({"a.py:scan": 10}), "find": Counter({"a.py:find": 10})}


def test_layers_that_share_nothing_pass() -> None:
    assert twice(LAYERS, WHOLE, TIMES) == []


def test_a_layer_that_is_counted_twice_is_named_with_both() -> None:
    (line,) = twice({**LAYERS, "scan again": LAYERS["scan"]}, WHOLE, TIMES)
    assert line == "a.py:scan is called 2 times by: scan, scan again; by a request 1 times"


def test_so_is_one_inside_another() -> None:
    (line,) = twice({**LAYERS, "scan": Counter({"a.py:scan": 10, "a.py:find": 10})}, WHOLE, TIMES)
    assert "scan, find" in line


def test_what_no_request_does_is_named() -> None:
    (line,) = twice({**LAYERS, "other": Counter({"a.py:other": 10})}, WHOLE, TIMES)
    assert line == "a.py:other is called 1 times by: other; by a request 0 times"


def test_what_happens_once_in_a_while_is_no_finding() -> None:
    """Memos that are cleared, windows that begin anew."""
    assert twice({**LAYERS, "rare": Counter({"a.py:rare": 4})}, WHOLE, TIMES) == []


def test_calls_are_counted_by_function_of_the_files_asked_for() -> None:
    """Those of others, and of C, are not."""

    def asked() -> float:
        return math.sqrt(2)

    def operation(times: int) -> None:
        for _ in range(times):
            asked()

    found = calls(operation, TIMES, "/unit/bench/")
    assert {name.rpartition(".")[2]: count for name, count in found.items()} == {"operation": 1, "asked": TIMES}
    assert calls(operation, TIMES) == Counter()


def test_one_operation_under_two_names_is_named() -> None:
    """Even where it calls nothing."""
    assert same([("scan", len), ("find", str), ("scan again", len)]) == ["scan and scan again are one operation"]
    assert same([("scan", len), ("find", str)]) == []
