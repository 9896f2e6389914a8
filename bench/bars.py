"""What a benchmark promises: a value, a bar, and whether it is met, as one line in the same format everywhere; measures nothing."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {"<": operator.lt, "<=": operator.le, ">=": operator.ge, "=": operator.eq}
LINE: Final = re.compile(r"^bar +(\S+) +(\S+) (\S*) +bar (<=|>=|<|=) (\S+) +(pass|MISSED)$")


class Bar(NamedTuple):
    """`value` has to be `relation` `bound`."""

    name: str
    value: float
    unit: str
    relation: str
    bound: float

    @property
    def met(self) -> bool:
        return COMPARE[self.relation](self.value, self.bound)

    def __str__(self) -> str:
        value = f"{self.value:.3f}".rstrip("0").rstrip(".")
        return f"bar {self.name:28} {value:>10} {self.unit:6} bar {self.relation} {self.bound:<6g} {'pass' if self.met else 'MISSED'}"


def parse(line: str) -> Bar | None:
    """The bar that a line tells of, rounded as it was printed."""
    found = LINE.match(line.strip())
    return None if found is None else Bar(found[1], float(found[2]), found[3], found[4], float(found[5]))


def judge(bars: Iterable[Bar]) -> int:
    """Prints them; the exit code: 1 where one is missed."""
    found = list(bars)
    for bar in found:
        print(bar, flush=True)
    return int(not all(bar.met for bar in found))
