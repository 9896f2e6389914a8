"""Requests at a fixed rate, whatever the answers do, and how long each took from the moment it was due; `datapath.py` runs it.

    python bench/openloop.py PORT RATE SECONDS WORK PATH

A timer of the kernel says how many requests are due; one that finds no free connection waits, and its waiting counts (no coordinated
omission). Prints one line of JSON: p50, p99 and highest latency in ms, `lag_p99` in ms, which is how late this program itself was, how many
requests there were, and how many of them failed or had no answer a second after the end.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Final

import uvloop

import works

WARM_UP: Final = 0.2  # of the time, at the same rate, not counted
WAIT_SECONDS: Final = 1.0
CLOCK_MONOTONIC: Final = 1
TFD_NONBLOCK: Final = os.O_NONBLOCK


def timer(seconds: float) -> int:
    """A descriptor that is readable whenever `seconds` have passed again (timerfd, which Python has from 3.13 on)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK))
    whole, nanoseconds = divmod(round(seconds * 1e9), 1_000_000_000)
    interval = struct.pack("@llll", whole, nanoseconds, whole, nanoseconds)
    if descriptor < 0 or libc.timerfd_settime(descriptor, 0, interval, None):
        raise OSError(ctypes.get_errno(), "timerfd")
    return descriptor


class Connection(asyncio.Protocol):
    """One connection: free, or with one request under way."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._data = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        at = head.find(b"content-length: ")
        if at < 0 or len(self._data) < end + 4 + int(head[at + 16 :].partition(b"\r\n")[0]):
            return  # without a length it never ends, and is counted as unanswered
        self._data = b""
        self._generator.answered(self, head.startswith(b"http/1.1 200"))


class Generator:
    """What is due, what is free, what was measured."""

    def __init__(self, rate: float, seconds: float, work: str, path: str) -> None:
        self._interval, self._work, self._path = 1 / rate, work, path
        self._total, self._skip = round(rate * seconds), round(rate * seconds * WARM_UP)
        self._first = int(time.time()) % 1_000_000 * 1_000_000  # so that ids are new in each run
        self.begun = 0.0
        self.sent = self.failed = self.answers = 0
        self.free: list[Connection] = []
        self._waiting: deque[float] = deque()
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.over = asyncio.Event()
        self.complete = asyncio.Event()

    def tick(self, descriptor: int) -> None:
        """The timer: everything that has become due."""
        try:
            due = struct.unpack("Q", os.read(descriptor, 8))[0]
        except BlockingIOError:
            return
        now = time.monotonic()
        for _ in range(min(due, self._total - self.sent)):
            self.sent += 1
            at = self.begun + self.sent * self._interval
            self.lags.append(now - at)
            if self.free:
                self._send(self.free.pop(), at)
            else:
                self._waiting.append(at)
        if self.sent == self._total:
            self.over.set()

    def _send(self, connection: Connection, due: float) -> None:
        connection.due = due
        self._first += 1
        connection.transport.write(works.head(self._work, self._path, self._first))

    def answered(self, connection: Connection, good: bool) -> None:
        self.latencies.append(time.monotonic() - connection.due)
        self.answers += 1
        self.failed += not good
        if self.answers == self._total:
            self.complete.set()
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self.free.append(connection)

    def report(self) -> dict[str, float]:
        counted, lags = sorted(self.latencies[self._skip :]), sorted(self.lags[self._skip :])

        def quantile(values: list[float], q: float) -> float:
            return values[min(len(values) - 1, int(len(values) * q))] * 1e3

        failed = self.failed + self._total - self.answers
        p50, p99, highest = (quantile(counted, q) for q in (0.5, 0.99, 1.0))
        return {"p50": p50, "p99": p99, "max": highest, "lag_p99": quantile(lags, 0.99), "requests": self._total, "failed": failed}


async def run(port: int, rate: float, seconds: float, work: str, path: str) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    generator = Generator(rate, seconds, work, path)
    for _ in range(works.CONNECTIONS):
        _, connection = await loop.create_connection(lambda: Connection(generator), "127.0.0.1", port)
        generator.free.append(connection)
    gc.disable()
    descriptor = timer(1 / rate)
    generator.begun = time.monotonic()
    loop.add_reader(descriptor, generator.tick, descriptor)
    await generator.over.wait()
    loop.remove_reader(descriptor)
    with suppress(TimeoutError):
        await asyncio.wait_for(generator.complete.wait(), WAIT_SECONDS)
    return generator.report()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5]))))
