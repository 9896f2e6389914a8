"""Which of two views of an object is the later one: what a watch brought, or what our own last write answered. Pure.

A watch is milliseconds behind a write. Without this, every write would be followed by a second one over a view from before the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


def newer(version: str, other: str) -> bool:
    """Resource versions of one kind grow; they are numbers in every API server there is."""
    try:
        return int(version) > int(other)
    except ValueError:
        return version != other


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a write left behind."""

    uid: str
    version: str
    value: T


class Memory(Generic[T]):
    """The last write per key. `latest` is the better of it and the cache's view; a deletion that was heard of ends it."""

    def __init__(self, uid_of: Callable[[T], str], version_of: Callable[[T], str]) -> None:
        self._uid_of, self._version_of = uid_of, version_of
        self._written: dict[object, Written[T]] = {}

    def wrote(self, key: object, value: T) -> None:
        self._written[key] = Written(self._uid_of(value), self._version_of(value), value)

    def gone(self, key: object, uid: str) -> None:
        written = self._written.get(key)
        if written is not None and written.uid == uid:
            del self._written[key]

    def forget(self, key: object) -> None:
        self._written.pop(key, None)

    def clear(self) -> None:
        """Now and then, so that a deletion that nobody heard of isn't remembered away."""
        self._written.clear()

    def latest(self, key: object, cached: T | None) -> T | None:
        written = self._written.get(key)
        if written is None:
            return cached
        if cached is None:
            return written.value
        if not newer(written.version, self._version_of(cached)):
            del self._written[key]  # the watch has caught up
            return cached
        return written.value
