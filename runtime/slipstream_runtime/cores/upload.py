"""How long the body of a request may take to come, however it comes. Pure; reads no body."""

from __future__ import annotations

from typing import Final

# Bytes a second. A body that comes keeps a connection of the pool from all others, and an octet now and then would keep it for ever. In a
# cluster a body comes a thousand times faster, over a bad mobile line ten times.
SLOWEST: Final = 1_000


def body_due(began: float, patience: float, received: int, held: float) -> float:
    """When it should be here, all of it, or more than the `received` bytes: `patience` seconds after `began`, and as long again as so many
    bytes may take. Seconds in which we didn't read it ourselves (`held`) don't count."""
    return began + patience + held + received / SLOWEST
