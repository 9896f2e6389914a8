"""callgrind's file: calls by name, with what they cost, where names and numbers come as it abbreviates them."""

from __future__ import annotations

from bench.layers.callgraph import Calls, calls_of

# main calls take twice from two places and judge once; take calls judge. Names stand once, positions are relative.
FILE = """version: 1
positions: line
events: Ir
ob=(1) /x/python
fl=(1) ???
fn=(1) main
0 7
cob=(2) /x/mypyc.so
cfn=(2) CPyDef_take
calls=1 0
0 100
+3 1
cfn=(2)
calls=1 0
* 120
cfn=(3) CPyDef_judge
calls=1 0
0 30

fn=(2)
0 150
cfn=(3)
calls=2 0
0 70

fn=(4) other
0 5
totals: 282
"""


def test_calls_are_summed_over_callers() -> None:
    assert calls_of(FILE) == {"CPyDef_take": Calls(2, 220), "CPyDef_judge": Calls(3, 100)}


def test_a_name_may_stand_where_the_function_is() -> None:
    """Before anybody calls it."""
    assert calls_of("fn=(9) take\n0 3\nfn=(8) main\n0 1\ncfn=(9)\ncalls=4 0\n0 12\n") == {"take": Calls(4, 12)}


def test_two_counts_have_a_difference() -> None:
    assert Calls(5, 90) - Calls(2, 30) == Calls(3, 60)


def test_nothing_is_called_in_an_empty_file() -> None:
    assert calls_of("version: 1\ntotals: 0\n") == {}
