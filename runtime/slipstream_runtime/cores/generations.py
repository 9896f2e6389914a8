"""Generations: what was invalidated since a read began, in O(1) a write and one comparison a hit. Pure; stores no answer.

Every invalidation takes the next number of one counter (`epoch`) and writes it to the scopes it touches. Whatever was captured
before that number, and touches the same scope, is dead. Scopes are the pool as a whole, each tag, and two sets of stripes over
which paths and partitions are hashed: a collision invalidates more than needed, never less, and memory is fixed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

EVERYTHING: Final = 0  # the scope of the whole pool
STRIPES: Final = 1024  # of paths, and as many of partitions: 16 kB a pool, and 1 in 1,000 unrelated entries dies with a write
MAX_TAGS: Final = 65_536  # ever seen in one pool; further ones share the scope of the whole pool
MAX_LINGERING: Final = 10_000  # writes of unknown outcome per pool; beyond them the oldest ends early
_PATHS: Final = 1
_PARTITIONS: Final = _PATHS + STRIPES
_TAGS: Final = _PARTITIONS + STRIPES
_STRIPE_BITS: Final = 10  # of STRIPES, in an entry's marks
EPOCH_SHIFT: Final = 2 * _STRIPE_BITS


def path_scope(path: str) -> int:
    """The scope of a path, shared with one in STRIPES others; to be remembered with the path, where that is remembered."""
    return _PATHS + hash(path) % STRIPES


def partition_scope(partition: int) -> int:
    """The scope of a partition's hash, shared as that of a path."""
    return _PARTITIONS + partition % STRIPES


class Snapshot:
    """What one read may be stored, joined or served against."""

    __slots__ = ("_partition", "_path", "_tags", "epoch", "generations", "partition")

    def __init__(self, generations: Generations, epoch: int, tags: tuple[int, ...], path: int, partition: int) -> None:
        self.generations = generations
        self.epoch = epoch
        self.partition = partition  # the whole hash that was captured
        self._tags = tags
        self._path = path
        self._partition: int = _PARTITIONS + partition % STRIPES

    def marks(self) -> int:
        """Epoch, path and partition in one number, which is all that an entry keeps: 32 bytes instead of an object and its numbers."""
        return self.epoch << EPOCH_SHIFT | (self._path - _PATHS) << _STRIPE_BITS | (self._partition - _PARTITIONS)

    def current(self) -> bool:
        """Nothing that this read depends on was invalidated since the capture."""
        epoch = self.epoch
        if self.generations.epoch == epoch:
            return True
        last = self.generations.last
        if last[EVERYTHING] > epoch or last[self._path] > epoch or last[self._partition] > epoch:
            return False
        for tag in self._tags:  # noqa: SIM110 (a generator costs more than the loop)
            if last[tag] > epoch:
                return False
        return True

    def writing(self) -> bool:
        """A write is in flight to something that this read depends on."""
        if not self.generations.writes:
            return False
        writing = self.generations.writing
        if writing[EVERYTHING] or writing[self._path]:
            return True
        return any(writing[tag] for tag in self._tags)

    def storable(self) -> bool:
        """An answer to this read may be stored now."""
        return self.current() and not self.writing()


class Write:
    """One write in flight; `end` or `linger` is due however it ended."""

    __slots__ = ("_generations", "_scopes")

    def __init__(self, generations: Generations, scopes: tuple[int, ...]) -> None:
        self._generations = generations
        self._scopes = scopes

    def end(self) -> None:
        """It was answered: invalidates again and lets reads be stored again. Further calls do nothing."""
        scopes = self._scopes
        if scopes:
            self._scopes = ()
            self._generations._end(scopes)

    def linger(self, until: float) -> None:
        """Nobody waits for its answer any more (cancelled, timed out, reset), but the upstream may still carry it out: it counts as in
        flight until `Generations.settle` finds `until` past. A whole request timeout from now is enough."""
        scopes = self._scopes
        if scopes:
            self._scopes = ()
            self._generations._linger(scopes, until)


class Generations:
    """The generations of one pool; lives as long as the pool, across reloads. `epoch`, `last`, `writing`, `writes` are for Snapshot."""

    __slots__ = ("_lingering", "_tags", "epoch", "last", "writes", "writing")

    def __init__(self) -> None:
        self.epoch: int = 0
        self.last: list[int] = [0] * _TAGS  # by scope: the epoch that last touched it
        self.writing: list[int] = [0] * _TAGS  # by scope: writes in flight
        self.writes: int = 0  # in flight, in all
        self._tags: dict[str, int] = {}
        self._lingering: deque[tuple[float, tuple[int, ...]]] = deque()

    def tag(self, name: str) -> int:
        """The scope of a tag that the configuration names (kept for the pool's life)."""
        scope = self._tags.get(name)
        if scope is None:
            if len(self._tags) >= MAX_TAGS:
                return EVERYTHING
            scope = self._tags[name] = len(self.last)
            self.last.append(0)
            self.writing.append(0)
        return scope

    def named(self) -> dict[str, int]:
        """The scopes of all tags that are known here, by name; for explaining."""
        return dict(self._tags)

    def capture(self, tags: tuple[int, ...], partition: int, path: int) -> Snapshot:
        """The present, before a read begins. `partition` is any hash of the partition, `tags` and `path` (path_scope) are scopes."""
        return self.captured(self.epoch, tags, partition, path)

    def captured(self, epoch: int, tags: tuple[int, ...], partition: int, path: int) -> Snapshot:
        """What `capture` gave when `epoch` was the present: for who seldom needs it."""
        return Snapshot(self, epoch, tags, path, partition)

    def holds(self, marks: int, tags: tuple[int, ...]) -> bool:
        """`Snapshot.current` of a snapshot with these marks and tags."""
        epoch = marks >> EPOCH_SHIFT
        if self.epoch == epoch:
            return True
        last = self.last
        if last[EVERYTHING] > epoch or last[_PARTITIONS + marks % STRIPES] > epoch:
            return False
        if last[_PATHS + (marks >> _STRIPE_BITS) % STRIPES] > epoch:
            return False
        for tag in tags:  # noqa: SIM110 (a generator costs more than the loop)
            if last[tag] > epoch:
                return False
        return True

    def renewed(self, marks: int) -> int:
        """Marks of now for what `holds`: nothing happened to it since."""
        return self.epoch << EPOCH_SHIFT | marks & (1 << EPOCH_SHIFT) - 1

    def begin_write(self, tags: tuple[int, ...], path: str) -> Write:
        """Invalidates `tags` and `path` (RFC 9111 §4.4), and keeps reads of them from being stored until the write's `end`."""
        scopes = (*tags, path_scope(path))
        self.bump(scopes)
        self.writes += 1
        for scope in scopes:
            self.writing[scope] += 1
        return Write(self, scopes)

    def _end(self, scopes: tuple[int, ...]) -> None:
        self.bump(scopes)
        self.writes -= 1
        for scope in scopes:
            self.writing[scope] -= 1

    def _linger(self, scopes: tuple[int, ...], until: float) -> None:
        self.bump(scopes)
        if len(self._lingering) >= MAX_LINGERING:
            self._end(self._lingering.popleft()[1])
        self._lingering.append((until, scopes))

    def settle(self, now: float) -> None:
        """The sweep: ends the lingering writes whose time is over. In order of arrival, so one may linger as long as an earlier one."""
        lingering = self._lingering
        while lingering and lingering[0][0] <= now:
            self._end(lingering.popleft()[1])

    def bump(self, scopes: tuple[int, ...]) -> None:
        """Everything captured so far that depends on one of `scopes` is dead."""
        self.epoch += 1
        for scope in scopes:
            self.last[scope] = self.epoch

    def bump_tags(self, names: tuple[str, ...]) -> int:
        """As `bump`, by name, for commands; how many of the names are known here."""
        scopes = tuple(self._tags[name] for name in names if name in self._tags)
        if scopes:
            self.bump(scopes)
        return len(scopes)

    def bump_partition(self, partition: int) -> None:
        self.bump((_PARTITIONS + partition % STRIPES,))

    def bump_everything(self) -> None:
        self.bump((EVERYTHING,))
