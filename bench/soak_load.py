"""The callers of soak.py: those that check every answer, and those that misbehave; starts no process and judges nothing but answers."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Final

import marks
from caller import Caller, Cut

KEYS, IDENTITIES = 10, 4
HUNG_SECONDS: Final = 20.0  # well above every deadline of the sidecar: no end at all
RUDE_SECONDS: Final = 3.0
RESET: Final = struct.pack("ii", 1, 0)
Row = tuple[int, bytes, marks.Kind, int, int, bool]  # weight, method, kind, size, delay_ms, chunked
MIX: Final[tuple[Row, ...]] = (
    (50, b"GET", "stored", 1_024, 0, False),
    (15, b"GET", "stored", 1_024, 20, False),
    (10, b"GET", "passed", 1_024, 0, False),
    (5, b"GET", "passed", 100_000, 0, False),
    (10, b"GET", "stored", 4_096, 0, True),
    (1, b"POST", "written", 64, 0, False),
)


class Load:
    """What all callers know and count: `floors` is the version of each key that nobody may be answered with less than.

    `write_port`: where writes go, the sidecar's too, unless they are to go past it."""

    def __init__(self, port: int, write_port: int, seed: str) -> None:
        self._port, self._write_port, self._seed = port, write_port, seed
        self.floors: defaultdict[int, int] = defaultdict(int)
        self.rate = 0.0  # requests a second of all callers together; 0: as fast as they can
        self.callers = 1
        self.wrong: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()  # hit, passed, written, and what failed
        self.examples: list[str] = []

    @property
    def good(self) -> int:
        return self.answers["hit"] + self.answers["passed"] + self.answers["written"]

    async def caller(self, number: int) -> None:
        """Asks until it is cancelled, on one connection after the other."""
        chance, loop = random.Random(f"{self._seed}{number}"), asyncio.get_running_loop()
        connections: dict[int, Caller] = {}
        due = loop.time()
        try:
            while True:
                row = chance.choices(MIX, [row[0] for row in MIX])[0]
                port = self._write_port if row[1] == b"POST" else self._port
                try:
                    if port not in connections or not connections[port].open:
                        connections[port] = await Caller.connect(port)
                    async with asyncio.timeout(HUNG_SECONDS):
                        await self._one(connections[port], row, chance)
                except Cut:
                    self.answers["cut"] += 1
                except TimeoutError:
                    self.wrong["hung"] += 1
                    connections.pop(port).transport.abort()
                except OSError as error:
                    self.answers[f"connect: {error}"] += 1
                    await asyncio.sleep(0.1)
                if self.rate:
                    due = max(due + chance.uniform(0.5, 1.5) * self.callers / self.rate, loop.time())
                    await asyncio.sleep(due - loop.time())
        finally:
            for connection in connections.values():
                connection.transport.abort()

    async def _one(self, connection: Caller, row: Row, chance: random.Random) -> None:
        _, method, kind, size, delay, chunked = row
        # Sizes are of the key, not of the question: what is stored is asked for in one way only.
        key = chance.randrange(KEYS) * 4 + (delay > 0) + 2 * chunked if method == b"GET" else chance.randrange(KEYS * 4)
        identity, floor = b"Bearer soak%d" % chance.randrange(IDENTITIES), self.floors[key]
        where = marks.target(kind, key, size, delay, chunked)
        answer = await connection.ask(marks.request(method, where, identity, b"x" * 2_000 if method == b"POST" else b""))
        if answer.status != 200:
            self.answers[str(answer.status)] += 1
            return
        if wrong := marks.judge(answer.body, identity, key, floor, size):
            self.wrong[wrong] += 1
            self.examples.append(f"{wrong}: {identity!r} floor {floor} {where!r} {answer.head!r} {answer.body[:60]!r}")
            return
        if method == b"POST":
            mark = marks.read(answer.body)
            assert mark is not None
            self.floors[key] = max(self.floors[key], mark.version)
            self.answers["written"] += 1
        else:
            self.answers["hit" if b"slipstream; hit" in answer.head else "passed"] += 1


class Rude:
    """A client that breaks off, dawdles, sends half or nonsense; it checks nothing, others must not notice it."""

    def __init__(self, port: int, seed: str) -> None:
        self._port, self._random = port, random.Random(seed)
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        """Misbehaves until it is cancelled."""
        ways = (self._reset, self._half_close, self._loris, self._half_body, self._deaf, self._nonsense)
        while True:
            way = self._random.choice(ways)
            with suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    async with asyncio.timeout(RUDE_SECONDS):
                        await way(reader, writer)
                finally:
                    writer.transport.abort()
                self.done[way.__name__[1:]] += 1
            await asyncio.sleep(self._random.uniform(0, 0.2))

    def _read(self, size: int) -> bytes:
        return marks.request(b"GET", marks.target("stored", self._random.randrange(KEYS), size), b"Bearer rude")

    async def _reset(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._read(100_000))
        await reader.read(self._random.randrange(1, 60_000))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    async def _half_close(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._read(2_000))
        writer.write_eof()
        await reader.read()

    async def _loris(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in self._read(1_000)[: self._random.randrange(5, 40)]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.05)

    async def _half_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = marks.request(b"POST", marks.target("written", self._random.randrange(KEYS), 64), b"Bearer rude", bytes(5_000))
        writer.write(data[: self._random.randrange(60, len(data))])
        await asyncio.sleep(self._random.uniform(0, 1))

    async def _deaf(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._read(2_000_000))
        await asyncio.sleep(self._random.uniform(0, 3))

    async def _nonsense(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"GET /stored/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + self._random.randbytes(50)
        )
        await reader.read()
