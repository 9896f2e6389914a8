"""Texts by which an answer shows whose data it is, and how they are found in it. Pure.

A canary is unmistakable and unique to run, session and round; it is of small letters and digits alone, so that no encoding and no
full-text index changes it. Without canaries the session's name is the mark: it has the plan's seed in it.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """What an answer holds: its session's own mark, and another session (its number), or None."""

    own: bool
    foreign: int | None


class Marks(Protocol):
    """One kind of mark."""

    def of(self, session: int, round_: int) -> str:
        """The mark that this session leaves in this round."""
        ...

    def look(self, body: bytes, session: int, round_: int) -> Seen:
        """What an answer to this session holds."""
        ...


class Canaries:
    """`slipc<run>s<session>r<round>e`."""

    def __init__(self, run: str) -> None:
        self._run = hashlib.sha256(run.encode()).hexdigest()[:12]
        self._form = re.compile(rf"slipc{self._run}s(\d{{1,9}})r(\d{{1,9}})e".encode())

    def of(self, session: int, round_: int) -> str:
        return f"slipc{self._run}s{session}r{round_}e"

    def look(self, body: bytes, session: int, round_: int) -> Seen:
        """Any other session's canary of the run is foreign, whenever it was written and by whichever runner."""
        found = [(int(s), int(r)) for s, r in self._form.findall(body)]
        return Seen((session, round_) in found, next((s for s, _ in found if s != session), None))


class SessionNames:
    """The names of sessions themselves. `prefix`: what all names of the plan begin with, before `-<number>`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._form = re.compile(re.escape(prefix).encode() + rb"-(\d{1,9})(?!\d)")

    def of(self, session: int, round_: int) -> str:
        return f"{self._prefix}-{session}"

    def look(self, body: bytes, session: int, round_: int) -> Seen:
        found = [int(number) for number in self._form.findall(body)]
        return Seen(session in found, next((number for number in found if number != session), None))
