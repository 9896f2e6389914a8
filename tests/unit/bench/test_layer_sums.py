"""Layers are summed without the loop that measured them, what is left is the rest, and a sum above the whole is named."""

from __future__ import annotations

from bench.layers.sums import NOTHING, REST, SUM, WHOLE, Column, each, lines, overfull, summed

MEASURED = {"hit": {NOTHING: 10.0, "scan": 110.0, "find": 60.0, WHOLE: 210.0}}


def column(unit: str = "instr.", **layers: float) -> Column:
    """Of the layers above and `layers`."""
    costs = {"hit": {**MEASURED["hit"], **layers}}
    return Column("Python", "W0", unit, {way: summed(of) for way, of in each(costs).items()})


def test_the_rest_is_the_whole_without_the_layers() -> None:
    assert column().costs == {"hit": {"scan": 100.0, "find": 50.0, SUM: 150.0, REST: 50.0, WHOLE: 200.0}}


def test_a_sum_within_the_whole_passes() -> None:
    assert overfull([column()]) == []


def test_a_layer_that_is_counted_twice_is_more_than_the_whole() -> None:
    (line,) = overfull([column(), column(again=110.0)])
    assert line == "W0, Python: the layers of hit are 250 instructions, all of it is 200"


def test_times_are_shown_and_not_judged() -> None:
    assert overfull([column("ns", again=110.0)]) == []


def test_each_layer_is_a_line_as_wide_as_the_others_and_heads_are_side_by_side() -> None:
    other = column()._replace(work="W1")
    printed = [[cell.strip() for cell in line.split("|")][1:-1] for line in lines("hit", [column("ns"), column(), other])]
    assert printed[0] == ["", "Python: ns, W0 / W1", "Python: instr., W0 / W1"]
    assert printed[2] == ["scan", "100", "100 / 100"]
    assert len(printed) == 2 + 5
    assert len({len(line) for line in lines("hit", [column("ns"), column(), other])}) == 1
