"""A thousand callers of one cold key at once: how many of their requests reach the upstream. One is the bar.

    python bench/herd.py [--callers 1000] [--rounds 5] [--pure]

All connections are open before; each round takes a key that was never asked for, whose answer takes 300 ms. The same herd without a cache
rule shows beside it that the origin would see every one of them. Prints `bar herd_upstream_calls`, the most of any round.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

import uvloop

import bars
import configs
import marks
from caller import Answer, Caller, figures
from servers import SIDECAR, Servers

DELAY_MS: Final = 300
SIZE: Final = 1024
CALLER: Final = b"Bearer herd"
AT_ONCE: Final = 200


class Herd:
    """Open connections to the sidecar, and one to the origin that counts."""

    def __init__(self, callers: list[Caller], origin: Caller) -> None:
        self._callers, self._origin = callers, origin

    @classmethod
    async def gather(cls, port: int, origin: int, size: int) -> Herd:
        callers: list[Caller] = []
        while len(callers) < size:
            callers += await asyncio.gather(*(Caller.connect(port) for _ in range(min(AT_ONCE, size - len(callers)))))
        return cls(callers, await Caller.connect(origin))

    async def calls(self, kind: marks.Kind, key: int) -> int:
        """How many requests the origin saw when all asked at once; every answer has to be right."""
        before = await figures(self._origin)
        data = marks.request(b"GET", marks.target(kind, key, SIZE, DELAY_MS), CALLER)
        answers: list[Answer] = await asyncio.gather(*(caller.ask(data) for caller in self._callers))
        for answer in answers:
            if answer.status != 200 or marks.judge(answer.body, CALLER, key, 0, SIZE):
                raise SystemExit(f"herd: an answer is wrong: {answer.status} {answer.body[:80]!r}")
        return int((await figures(self._origin))["requests"] - before["requests"])


async def measure(port: int, origin: int, callers: int, rounds: int) -> tuple[list[int], int]:
    herd = await Herd.gather(port, origin, callers)
    return [await herd.calls("stored", key) for key in range(rounds)], await herd.calls("passed", rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callers", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    chosen = parser.parse_args()
    with Servers(chosen.pure) as servers:
        servers.script("origin", servers.load_core, str(servers.folder / "versions"))
        servers.sidecar(configs.checked(servers.port(SIDECAR), servers.port("origin")))
        calls, control = uvloop.run(measure(servers.port(SIDECAR), servers.port("origin"), chosen.callers, chosen.rounds))
    print(f"{chosen.callers} callers, upstream calls of each round: {calls}; without a cache rule: {control}; compiled: {servers.compiled}")
    if control != chosen.callers:
        print("herd: the control failed: without a rule each caller's request has to be seen")
        return 1
    return bars.judge([bars.Bar("herd_upstream_calls", max(calls), "calls", "=", 1)])


if __name__ == "__main__":
    sys.exit(main())
