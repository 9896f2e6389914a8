"""Connections to the upstream under a mixed load: which part of the requests there found one that was open already.

    python bench/mixed.py [--callers 64] [--requests 300] [--pure]

Reads that are stored or not, small, of 100 kB, chunked and slow ones, and writes that invalidate; callers think between their requests, so
that the number at work rises and falls. The pool has its usual limits. Counted at the origin. A run with connections that live for one
millisecond shows beside it that the origin would notice. Prints `bar mixed_reuse_percent`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from typing import Final

import uvloop

import bars
import configs
import marks
from caller import Caller, figures
from servers import SIDECAR, Servers
from slipstream_api.config import Limits

KEYS: Final = 200
CONTROL: Final = 20  # requests of a caller
# weight, method, kind, size, delay_ms, chunked
MIX: Final[tuple[tuple[int, bytes, marks.Kind, int, int, bool], ...]] = (
    (40, b"GET", "stored", 1_024, 0, False),
    (25, b"GET", "passed", 1_024, 0, False),
    (10, b"GET", "passed", 100_000, 0, False),
    (10, b"GET", "passed", 4_096, 0, True),
    (10, b"POST", "written", 64, 0, False),
    (5, b"GET", "passed", 1_024, 50, False),
)


async def one(port: int, number: int, requests: int, chance: random.Random) -> None:
    """A caller and its requests: a number and not a time, so that a slow machine counts as many on as many connections."""
    connection, identity = await Caller.connect(port), b"Bearer m%d" % (number % 16)
    weights = [row[0] for row in MIX]
    for _ in range(requests):
        _, method, kind, size, delay, chunked = chance.choices(MIX, weights)[0]
        key = chance.randrange(KEYS)
        where = marks.target(kind, key, size, delay, chunked)
        answer = await connection.ask(marks.request(method, where, identity, b"x" * 2_000 if method == b"POST" else b""))
        wrong = marks.judge(answer.body, identity, key, 0, size)
        if answer.status != 200 or wrong:
            raise SystemExit(f"mixed: an answer is wrong: {answer.status} {wrong} {answer.body[:80]!r}")
        await asyncio.sleep(chance.choice((0, 0, 0.002, 0.02, 0.2)))


async def reuse(port: int, origin: int, callers: int, each: int) -> tuple[float, int]:
    """Percent of the origin's requests that came on a connection which was there, and how many requests that were."""
    counter = await Caller.connect(origin)
    before = await figures(counter)
    await asyncio.gather(*(one(port, number, each, random.Random(number)) for number in range(callers)))
    after = await figures(counter)
    requests, opened = after["requests"] - before["requests"], after["connections"] - before["connections"]
    return 100 * (1 - opened / requests), requests


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--requests", type=int, default=300, help="of each caller")
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    chosen = parser.parse_args()
    with Servers(chosen.pure) as servers:
        servers.script("origin", servers.load_core, str(servers.folder / "versions"))
        ports = servers.port(SIDECAR), servers.port("origin")
        servers.sidecar(configs.checked(*ports, limits=Limits(max_lifetime_ms=1)))
        control, _ = uvloop.run(reuse(*ports, chosen.callers, CONTROL))
        servers.configure(configs.checked(*ports))
        percent, requests = uvloop.run(reuse(*ports, chosen.callers, chosen.requests))
    print(f"{requests} requests at the origin; with connections that live for 1 ms: {control:.1f} %; compiled: {servers.compiled}")
    if control >= 99:
        print("mixed: the control failed: connections that live for 1 ms can't be used again that often")
        return 1
    return bars.judge([bars.Bar("mixed_reuse_percent", percent, "%", ">=", 99)])


if __name__ == "__main__":
    sys.exit(main())
