"""How N runners split users, bounds and arrivals so that they add up to the one-runner plan at any time. Pure and exact.

Runners take turns: number k belongs to runner k mod N. So every prefix of the numbers is split as evenly as whole numbers can be, a user
keeps its number and its runner when a stage has more users than the one before, and nobody's arrivals bunch at whole seconds.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor


def share(total: Fraction | int, index: int, runners: int) -> int:
    """How many of the numbers 0 … floor(total) - 1 are runner `index`'s; all runners' shares sum to floor(total)."""
    return max(0, -((index - floor(total)) // runners))


def numbers(total: Fraction | int, index: int, runners: int) -> range:
    """Those numbers."""
    return range(index, floor(total), runners)
