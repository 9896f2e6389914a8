"""A real runtime with one client, one idle connection and warm caches, and no kernel: what operations.py has its operations on. Measures
nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import cycle, islice, repeat
from typing import Any, Final

from hotpath import WAYS, answers, heads, path
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.listener import Listener
from timing import Operation

KEYS: Final = 1_000  # as many as W1 asks for; all are known before anything is measured
NOW: Final = 1_000.0


class Still:
    """A clock that stands still: what a second changes (Age, marks) doesn't depend on how fast this machine is, or valgrind."""

    now = repeat(NOW).__next__  # no frame of Python, as time.monotonic has none


class Quiet:
    """A transport that costs nothing, so that the whole is the runtime's own; it keeps what was written last."""

    def __init__(self) -> None:
        self.written: deque[bytes] = deque(maxlen=1)
        self.write = self.written.append

    def set_write_buffer_limits(self, high: int) -> None: ...
    def is_closing(self) -> bool:
        return False


class Rig:
    """One client and one idle connection of a runtime whose caches are warm."""

    def __init__(self, way: str, real: bool, runtime: Any, service: Any) -> None:
        self.hit, self.service, self.context = way == "hit", service, runtime.context
        self.near = Quiet()
        door = Listener(runtime.context, "127.0.0.1", 0)  # never opened
        door.serve("m", service)
        self.client = Client(runtime.context, door)
        self.client.connection_made(self.near)  # type: ignore[arg-type]  # duck-typed
        self.connection = service.pool.core._idle[-1].conn  # the one that each request gets, as the last that was put back
        self.connection.transport = Quiet()
        self._heads, self._answers = heads(WAYS[way].target, real), answers(WAYS[way].target)
        for request, answer in islice(zip(self._heads, self._answers, strict=True), 2 * KEYS):
            self.client.data_received(request)
            if self.client.exchange is not None:
                self.connection.data_received(answer)
        self.operation = self.heads(1)[0].line.operation
        self.plan = self.operation.cache
        self.store = service.stores[self.plan.store]
        self.counted(KEYS, self.whole(KEYS))

    def requests(self, count: int) -> list[bytes]:
        return _many(self._heads, count)

    def replies(self, count: int) -> list[bytes]:
        return _many(self._answers, count)

    def heads(self, count: int) -> list[Any]:
        """Heads as the scanner gives them, none of them asked for anything yet."""
        take, limits = self.context.requests.take, self.service.limits
        return [take(data, 0, 0, limits)[0] for data in self.requests(count)]

    def answered(self, count: int) -> list[Any]:
        take = self.context.answers.take
        return [take(data, 0, 0, b"GET")[0] for data in self.replies(count)]

    def asked(self, count: int) -> list[Any]:
        """What each request asks of the cache."""
        return [head.asks(self.plan.reader) for head in self.heads(count)]

    def exchanges(self, count: int) -> list[Any]:
        parts = zip(self.heads(count), self.asked(count), strict=True)
        return [CachedExchange(self.service, self.client, head, self.operation, self.plan, self.store, request) for head, request in parts]

    def whole(self, count: int) -> Operation:
        """The whole path: the client's bytes, and where they went to the upstream its answer."""
        requests, replies, hit = self.requests(count), self.replies(count), self.hit
        ask, answer = self.client.data_received, self.connection.data_received

        def run(n: int) -> None:
            if hit:
                for data in islice(requests, n):
                    ask(data)
            else:
                for data, reply in zip(islice(requests, n), replies):  # noqa: B905  # strict costs, and one of them is cut
                    ask(data)
                    answer(reply)

        return run

    def counted(self, count: int, run: Operation) -> None:
        """Checks that the whole does what its name says."""
        counters, pool = self.plan.counters, self.service.pool.core.stats
        before = (counters.hits, counters.misses, pool.requests_num)
        run(count)
        did = tuple(now - then for now, then in zip((counters.hits, counters.misses, pool.requests_num), before, strict=True))
        assert did == ((count, 0, 0) if self.hit else (0, count, count)), did
        assert self.client.exchange is None
        status = b"slipstream; hit" if self.hit else b"fwd=uri-miss; detail=no-store"
        assert status in self.near.written[0], self.near.written


async def rig(way: str, real: bool) -> Rig:
    runtime, service, _ = await path(WAYS[way], Still())
    return Rig(way, real, runtime, service)


def _many(some: Iterable[bytes], count: int) -> list[bytes]:
    return list(islice(cycle(some), count))
