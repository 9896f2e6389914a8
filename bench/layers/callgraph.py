"""What calls of each function cost, out of a file of valgrind's callgrind: what is called from there included. Pure; knows no function."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_CALLED: Final = re.compile(r"^cfn=\((\d+)\)(?: (.+))?$")
_NAMED: Final = re.compile(r"^fn=\((\d+)\) (.+)$")


class Calls(NamedTuple):
    """So many, and their instructions."""

    times: int
    cost: int

    def __add__(self, other: Calls) -> Calls:  # type: ignore[override]  # of two of them, not of tuples
        return Calls(self.times + other.times, self.cost + other.cost)

    def __sub__(self, other: Calls) -> Calls:
        return Calls(self.times - other.times, self.cost - other.cost)


NONE: Final = Calls(0, 0)


def calls_of(text: str) -> dict[str, Calls]:
    """By function. A name stands in the file once, beside its number; a function that calls itself is counted at each depth."""
    names: dict[str, str] = {}
    found: dict[str, Calls] = {}
    called, count = "", -1
    for line in text.splitlines():
        if count >= 0:  # the line behind `calls=`: where from, and what they cost
            found[called] = found.get(called, NONE) + Calls(count, int(line.split()[-1]))
            count = -1
        elif (named := _NAMED.match(line)) is not None:
            names[named[1]] = named[2]
        elif (callee := _CALLED.match(line)) is not None:
            called = names.setdefault(callee[1], callee[2] or "")
        elif line.startswith("calls="):
            count = int(line[len("calls=") :].split()[0])
    return found
