"""The demo's figures come from a judged run, and less than promised is said so."""

from __future__ import annotations

from typing import Any

from slipstream_cli.demo.figures import Figures, figures, table_rows

ROW = {"baseline": 10.0, "candidate": 2.0, "change": 0.2, "interval": [0.15, 0.25], "result": "Improved", "message": ""}


def document(wrong: int = 0) -> dict[str, Any]:
    stage = {"errorsPercent": 0.0, "wrong": wrong, "cache": {"hitPercent": 90.0}}
    return {
        "comparison": [{**ROW, "metric": "latency.p95"}, {**ROW, "metric": "throughput", "baseline": 100.0, "candidate": 900.0}],
        "stages": [{**stage, "target": "Direct", "cache": {"hitPercent": None}}, {**stage, "target": "Layers"}],
    }


def test_figures_and_last_line() -> None:
    """Ratios the way a reader expects: more is better."""
    found = figures(document(), reuse=0.99)
    assert found.line() == "demo: read_p95_ratio=5.0 throughput_ratio=9.0 hit_rate=0.90 reuse=0.99 wrong=0"
    assert found.missed() == ()


def test_less_than_promised_is_named_one_by_one() -> None:
    """Each figure has a bound of its own; one wrong answer is too many, on either side."""
    assert len(Figures(2.2, 5.9, 0.74, 0.84, 1).missed()) == 5
    assert figures(document(wrong=1), reuse=0.99).wrong == 2


def test_a_missing_value_is_no_success() -> None:
    """Nothing measured is a ratio of 0."""
    empty = document()
    empty["comparison"][0] |= {"baseline": None}
    assert figures(empty, reuse=0.0).read_p95_ratio == 0.0


def test_the_table_shows_change_and_interval() -> None:
    """Of the metrics that were compared."""
    rows = {row[0]: row for row in table_rows(document(), 0.987, (100 << 20, 150 << 20))}
    assert rows["latency p95"] == ("latency p95", "10.00 ms", "2.00 ms", "-80% [-85%, -75%]", "Improved")
    assert rows["memory (server | server + layers)"][1:3] == ("100 MiB", "150 MiB")
    assert rows["connection reuse (to the server)"][2] == "98.7%"
