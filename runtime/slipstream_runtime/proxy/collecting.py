"""A storable answer while its body comes in: pieces, bounded by what the store would take. Stores nothing itself."""

from __future__ import annotations

from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.store import Store
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.proxy.stored import with_length


class Collector:
    """Of one answer; `storing` is the judgement that it may be stored."""

    __slots__ = ("_announced", "_head", "_pieces", "_size", "_store", "storing")

    def __init__(self, store: Store, storing: Storing, head: AnswerHead) -> None:
        self.storing = storing
        self._store = store
        self._head = head.storable()
        self._announced = max(head.body, 0)
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> bool:
        """One more piece; False where it became too large to store."""
        self._size += len(data)
        if not self._store.admits(len(self._head), max(self._size, self._announced)):
            self._pieces.clear()
            return False
        self._pieces.append(data)
        return True

    def whole(self) -> tuple[bytes, bytes]:
        """Head and body of the complete answer."""
        body = b"".join(self._pieces)
        return with_length(self._head, len(body)), body
