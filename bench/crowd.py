"""Thousands of clients at once, half of them slow: what the sidecar's memory rises to, and whether every answer is right.

    python bench/crowd.py [--clients 5000] [--seconds 30] [--pure]

Half of the clients ask about once a second for 1 kB, stored or not. An eighth reads answers of 256 kB, 8 kB each quarter of a second,
through a small receive buffer; an eighth reads 8 MB like that, which no socket's buffer takes, so that much of it waits in the proxy (these
don't come to an end; being cut is their error). A quarter writes bodies of 64 kB, 2 kB each quarter of a second, heads in two pieces.
The pool's limits admit them all: with the usual 100 connections the slow ones would be refused, as they should be. Sidecar on one core,
clients and origin on the other. Prints `bar` lines: highest resident memory, and answers that were cut, late, refused or wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import uvloop

import bars
import configs
import marks
from caller import Caller, Cut, slow_exchange, slow_socket
from servers import SIDECAR, Servers, allow_descriptors, memory_mb

AT_ONCE: Final = 200  # connections that are opened together, well below any backlog
SMALL, READ, HUGE, WRITTEN, PIECE = 1_024, 262_144, 8_000_000, 65_536, 2_048
WINDOW: Final = 8_192
PAUSE: Final = 0.25
KEYS: Final = 1_000


class Crowd:
    """All clients, and what became of their requests."""

    def __init__(self, port: int, clients: int, seed: int) -> None:
        self._port, self._clients = port, clients
        self._random = random.Random(seed)
        self._room = asyncio.Semaphore(AT_ONCE)
        self.connected = 0
        self.ready = asyncio.Event()  # all are connected, or one of them has failed
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def tasks(self) -> list[asyncio.Task[None]]:
        kinds = (self._quick, self._reader, self._quick, self._writer, self._quick, self._huge, self._quick, self._writer)
        return [asyncio.ensure_future(self._one(kinds[number % len(kinds)], number)) for number in range(self._clients)]

    async def _one(self, kind: object, number: int) -> None:
        assert callable(kind)
        try:
            await kind(b"Bearer c%d" % (number % 50), self._random.randrange(KEYS))
        except (Cut, OSError) as error:
            self.errors[f"{kind.__name__[1:]}: {type(error).__name__} {error}"] += 1
            self.ready.set()

    def _arrived(self) -> None:
        self.connected += 1
        if self.connected == self._clients:
            self.ready.set()

    def _judge(self, kind: str, status: int, body: bytes, expected: tuple[bytes, int, int]) -> None:
        caller, key, size = expected
        wrong = marks.judge(body, caller, key, 0, size) if status == 200 else str(status)
        self.answers[kind] += 1
        if wrong:
            self.errors[f"{kind}: {wrong}"] += 1

    async def _quick(self, caller: bytes, key: int) -> None:
        async with self._room:
            connection = await Caller.connect(self._port)
        self._arrived()
        while True:
            where = marks.target(self._random.choice(("stored", "passed")), key, SMALL)
            answer = await connection.ask(marks.request(b"GET", where, caller))
            self._judge("quick", answer.status, answer.body, (caller, key, SMALL))
            await asyncio.sleep(self._random.uniform(0.5, 1.5))

    async def _reader(self, caller: bytes, key: int) -> None:
        await self._slow("reader", caller, key, READ, [marks.request(b"GET", marks.target("passed", key, READ), caller)])

    async def _huge(self, caller: bytes, key: int) -> None:
        await self._slow("huge", caller, key, HUGE, [marks.request(b"GET", marks.target("passed", key, HUGE), caller)])

    async def _writer(self, caller: bytes, key: int) -> None:
        data = marks.request(b"POST", marks.target("passed", key, SMALL), caller, bytes(WRITTEN))
        pieces = [data[:40], *(data[at : at + PIECE] for at in range(40, len(data), PIECE))]
        await self._slow("writer", caller, key, SMALL, pieces)

    async def _slow(self, kind: str, caller: bytes, key: int, size: int, pieces: list[bytes]) -> None:
        async with self._room:
            where = await slow_socket(self._port, WINDOW)
        self._arrived()
        try:
            while True:
                await asyncio.sleep(self._random.uniform(0, 1))
                answer = await slow_exchange(where, pieces, PAUSE if len(pieces) > 1 else 0, PAUSE)
                self._judge(kind, answer.status, answer.body, (caller, key, size))
        finally:
            where.close()


def tcp_pressure() -> str:
    """What to say where the kernel is short of memory for sockets, whose stalls aren't the proxy's."""
    found = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    used, limit = int(found[1]) if found else 0, int(Path("/proc/sys/net/ipv4/tcp_mem").read_text().split()[1])
    over = f"the kernel's TCP buffers hold {used} pages, {limit} is where it begins to stall: errors may be its; raise net.ipv4.tcp_mem"
    return over if used > limit else ""


async def under_load(crowd: Crowd, seconds: float) -> None:
    """All are connected before the time begins; what isn't answered at its end doesn't count."""
    tasks = crowd.tasks()
    await crowd.ready.wait()
    print(f"{crowd.connected} clients are connected", flush=True)
    await asyncio.sleep(seconds)
    if pressed := tcp_pressure():
        print(pressed, flush=True)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    chosen = parser.parse_args()
    allow_descriptors(2 * chosen.clients + 200)
    with Servers(chosen.pure) as servers:
        servers.script("origin", servers.load_core, str(servers.folder / "versions"))
        servers.sidecar(configs.checked(servers.port(SIDECAR), servers.port("origin"), limits=configs.roomy()))
        pid, crowd = servers.pid(SIDECAR), Crowd(servers.port(SIDECAR), chosen.clients, seed=1)
        idle = memory_mb(pid)
        uvloop.run(under_load(crowd, chosen.seconds))
        highest = memory_mb(pid, "VmHWM")
    print(f"answers: {dict(crowd.answers)}, resident memory {idle:.0f} MB before, compiled: {servers.compiled}")
    for what, count in crowd.errors.most_common(10):
        print(f"  {count} x {what}")
    unserved = [kind for kind in ("quick", "reader", "writer") if not crowd.answers[kind]]
    if unserved:
        print(f"crowd: no answer to any {', '.join(unserved)}: nothing was measured")
        return 1
    return bars.judge(
        [bars.Bar("crowd_memory_mb", highest, "MB", "<", 250), bars.Bar("crowd_errors", sum(crowd.errors.values()), "", "=", 0)]
    )


if __name__ == "__main__":
    sys.exit(main())
