"""Tables of what each layer costs a request: has costs.py measure each head and each kind of modules, and judges what it finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from instructions import has_valgrind
from layers.counts import alone, in_place, ran
from layers.sums import WHOLE, Column, each, lines, overfull, summed
from servers import modules

MOST: Final = 4_000  # operations in a round
FORKED: Final = 10  # the part of them that is done under valgrind: it counts, so more say nothing more
WAYS: Final = {"hit": "a hit", "pass": "a miss that passes through, on an idle connection"}


def table(count: int, pure: bool, instructions: bool, path: Path | None, broken: str) -> int:
    """Prints it all; 1 where a layer is counted twice, or where layers cost more than the whole."""
    if instructions and not has_valgrind():
        return 1
    again = f"--break={broken}" if broken else ""
    ordinary, _ = modules(True)
    found: list[Column] = []
    doubled: list[str] = []
    for work in ("W0", "W1"):
        told = ran([sys.executable], work, count, ordinary, again)
        doubled += [f"{work}, {line}" for line in told["twice"]]
        found.append(Column("Python", work, "ns", each(told["costs"])))
        if instructions:
            found.append(Column("Python", work, "instr.", each(alone(work, max(20, count // FORKED), ordinary, again))))
    environment, compiled = modules(pure or not instructions)
    if compiled == "no":
        print("ordinary Python alone: the compiled modules need `make compile` and valgrind", file=sys.stderr)
    else:
        found += [column for work in ("W0", "W1") for column in built(work, count, environment, again)]
    found = [column._replace(costs={way: summed(costs) for way, costs in column.costs.items()}) for column in found]
    for way, title in WAYS.items():
        print(f"\n{title}\n", *lines(way, found), sep="\n", flush=True)
    if path is not None:
        path.write_text(json.dumps([column._asdict() for column in found], indent=1) + "\n")
    doubled += overfull(found)
    print("", *[f"counted twice: {line}" for line in doubled], f"layers: counted_twice={len(doubled)}", sep="\n")
    return int(bool(doubled))


def built(work: str, count: int, environment: dict[str, str], again: str) -> tuple[Column, Column]:
    """Of compiled modules: a layer's time is that of it alone, less the part of its instructions that it doesn't need in its place."""
    few = max(20, count // FORKED)
    times = each(ran([sys.executable], work, count, environment, again)["costs"])
    by_itself, there = each(alone(work, few, environment, again)), in_place(work, few, environment, again)
    for way, costs in there.items():
        for name, cost in costs.items():
            times[way][name] *= cost / by_itself[way][name]
        costs[WHOLE] = by_itself[way][WHOLE]
    return Column("compiled", work, "ns", times), Column("compiled", work, "instr.", there)
