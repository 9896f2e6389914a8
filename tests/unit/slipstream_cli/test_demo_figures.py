"""The demo's figures come from a judged run, and less than promised is said so."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_cli.demo.figures import Figures, NothingToShow, aborted, figures, table_rows

ROW = {"baseline": 10.0, "candidate": 2.0, "change": 0.2, "interval": [0.15, 0.25], "result": "Improved", "message": ""}


def document(wrong: int = 0) -> dict[str, Any]:
    stage = {"errorsPercent": 0.0, "wrong": wrong, "cache": {"hitPercent": 90.0}}
    return {
        "comparison": [
            {**ROW, "metric": "latency.p50"},
            {**ROW, "metric": "latency.p95"},
            {**ROW, "metric": "throughput", "baseline": 100.0, "candidate": 900.0},
        ],
        "reasons": [{"code": "Passed", "message": "all 2 thresholds hold"}],
        "stages": [{**stage, "target": "Direct", "cache": {"hitPercent": None}}, {**stage, "target": "Layers"}],
    }


def test_figures_and_last_line() -> None:
    """Ratios the way a reader expects: more is better."""
    found = figures(document(), reuse=0.99)
    assert found.line() == "demo: read_p95_ratio=5.0 throughput_ratio=9.0 hit_rate=0.900 reuse=0.990 wrong=0"
    assert found.missed() == ()


def test_less_than_promised_is_named_one_by_one() -> None:
    """Each figure has a bound of its own; one wrong answer is too many, on either side."""
    assert len(Figures(2.2, 5.9, 0.74, 0.84, 1).missed()) == 5
    assert figures(document(wrong=1), reuse=0.99).wrong == 2


def test_a_missing_value_is_no_success() -> None:
    """Nothing measured is a ratio of 0."""
    empty = document()
    empty["comparison"][1] |= {"baseline": None}
    assert figures(empty, reuse=0.0).read_p95_ratio == 0.0


def test_the_table_shows_change_and_interval() -> None:
    """Of the metrics that were compared."""
    rows = {row[0]: row for row in table_rows(document(), 0.987, (100 << 20, 150 << 20))}
    assert rows["latency p95"] == ("latency p95", "10.00 ms", "2.00 ms", "-80% [-85%, -75%]", "Improved")
    assert rows["memory"][1:3] == ("100 MiB", "150 MiB")
    assert rows["connection reuse"][2] == "98.7 %"


def test_a_figure_just_below_is_not_rounded_up_to_what_was_promised() -> None:
    """The last line and the exit code say the same."""
    just_below = Figures(2.299, 5.999, 0.7499, 0.8499, 0)
    assert len(just_below.missed()) == 4
    assert just_below.line() == "demo: read_p95_ratio=2.2 throughput_ratio=5.9 hit_rate=0.749 reuse=0.849 wrong=0"


@pytest.mark.parametrize("result", ["NoChange", "Inconclusive", "Regressed"])
def test_a_ratio_that_the_comparison_does_not_vouch_for_is_less_than_promised(result: str) -> None:
    """Whatever the medians look like."""
    unproven = document()
    unproven["comparison"][1] |= {"result": result, "message": "not told apart from chance (p = 0.34)"}
    (missed,) = figures(unproven, reuse=0.99).missed()
    assert missed.startswith(f"latency p95: {result}")


def test_a_busy_machine_is_tolerated_and_a_run_that_is_no_measurement_is_not() -> None:
    """Lag of the generator is accounted for row by row; failed thresholds and lost data are not."""
    busy, failed = document(), document()
    busy["reasons"] = [{"code": "GeneratorSaturated", "message": "lag"}]
    failed["reasons"] = [{"code": "ThresholdsFailed", "message": "errors: 3 %"}]
    assert figures(busy, reuse=0.99).missed() == ()
    assert figures(failed, reuse=0.99).missed() == ("ThresholdsFailed: errors: 3 %",)


def test_an_aborted_run_and_one_without_comparison_have_no_figures() -> None:
    """Neither is a KeyError."""
    ended = document() | {"reasons": [{"code": "Aborted", "message": "ended early: interrupted"}]}
    assert aborted(ended)
    assert not aborted(document())
    with pytest.raises(NothingToShow, match="baseline: Direct"):
        figures(document() | {"comparison": []}, reuse=0.99)
    with pytest.raises(NothingToShow, match="Layers"):
        figures(document() | {"stages": []}, reuse=0.99)
