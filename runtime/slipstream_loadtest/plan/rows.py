"""Which row of a data list a call takes: drawn, in turn, or by its user. Pure; whoever renders a request asks here.

Random         drawn with the plan's seed, anew for each iteration (draws.py)
Sequential     by the turn of the iteration among all users of all runners, so that any split over runners takes the same rows
UniquePerUser  by the user's number, the same in every iteration
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from slipstream_loadtest.plan.scenarios import DataList

_SHIFT: Final = 64


@dataclass(frozen=True, slots=True)
class Column:
    """What a template's name stands for: one column of the `number`-th list."""

    number: int
    data: DataList
    column: int

    def values(self) -> tuple[str, ...]:
        return tuple(row[self.column] for row in self.data.rows)


def columns(data: Sequence[DataList]) -> dict[str, Column]:
    """Names that templates may use: `word` of a list, `users.email` of a table."""
    found = {}
    for number, one in enumerate(data):
        for at, name in enumerate(one.columns or ("",)):
            found[f"{one.name}.{name}" if name else one.name] = Column(number, one, at)
    return found


def with_turn(drawn: int, turn: int) -> int:
    """An iteration's 64-bit draw and, above it, its turn: one number for both, so that calls carry no more than before."""
    return turn << _SHIFT | drawn


def turn_of(drawn: int) -> int:
    return drawn >> _SHIFT


def turn_row(drawn: int, rows: int) -> int:
    """The row whose turn it is; begins again after the last."""
    return turn_of(drawn) % rows


def user_row(user: int, rows: int) -> int:
    """The user's own row; users beyond the last row share with others, which a plan with onExhausted Fail rules out."""
    return user % rows


def has_turns(data: Iterable[DataList]) -> bool:
    """Whether iterations need turns at all."""
    return any(one.mode == "Sequential" for one in data)
