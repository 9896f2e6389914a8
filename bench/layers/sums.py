"""Costs of layers beside the whole: their sum, what is left of it, and whether they are more than it. Pure; measures nothing."""

from __future__ import annotations

from typing import Final, NamedTuple

NOTHING: Final = "nothing"  # the loop of each operation
WHOLE: Final = "whole"
SUM: Final = "sum of the layers"
REST: Final = "the rest: both connections, the way between layers"
Costs = dict[str, dict[str, float]]  # by way, then by layer


class Column(NamedTuple):
    """The cost of a request with one head: by way, then by layer."""

    kind: str
    work: str
    unit: str
    costs: Costs


def each(measured: Costs) -> Costs:
    """Without what the loop itself costs."""
    return {way: {name: cost - costs[NOTHING] for name, cost in costs.items() if name != NOTHING} for way, costs in measured.items()}


def summed(costs: dict[str, float]) -> dict[str, float]:
    """Sum and rest behind the layers."""
    own = {name: cost for name, cost in costs.items() if name != WHOLE}
    total = sum(own.values())
    return {**own, SUM: total, REST: costs[WHOLE] - total, WHOLE: costs[WHOLE]}


def overfull(columns: list[Column]) -> list[str]:
    """Layers that are more than the whole, by count; times are too noisy to be judged."""
    return [
        f"{column.work}, {column.kind}: the layers of {way} are {costs[SUM]:,.0f} instructions, all of it is {costs[WHOLE]:,.0f}"
        for column in columns
        for way, costs in column.costs.items()
        if column.unit == "instr." and costs[SUM] > costs[WHOLE]
    ]


def lines(way: str, columns: list[Column]) -> list[str]:
    """One a layer, as Markdown has tables; heads stand side by side."""
    works = list(dict.fromkeys(column.work for column in columns))
    beside: dict[tuple[str, str], list[Column]] = {}
    for column in columns:
        beside.setdefault((column.kind, column.unit), []).append(column)
    head = ["", *[f"{kind}: {unit}, {' / '.join(works)}" for kind, unit in beside]]
    rows = [
        [name, *[" / ".join(f"{column.costs[way][name]:,.0f}" for column in group) for group in beside.values()]]
        for name in columns[0].costs[way]
    ]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    rule = "|".join("-" * (width + 2) for width in widths)
    return [f"| {padded[0]} |", f"|{rule}|", *[f"| {row} |" for row in padded[1:]]]
