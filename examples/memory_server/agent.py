"""`python -m memory_server.agent`: an agent as plain as it gets: asks its memory, remembers now and then, counts answers that were kept.

Knows nothing of sidecars or policies; the field Cache-Status (RFC 9211) of an answer is all that it sees of them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Sequence

import aiohttp

QUESTIONS = ("thread", "socket", "file", "parser", "queue", "iterator", "exception", "timeout")
WRITES = 50  # one call in so many remembers something
REPORT = 100  # calls between two lines


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="memory_server.agent", description="An agent that uses a memory server.")
    parser.add_argument("--url", default="http://memory-server:8080", help="where the memory server is (default: %(default)s)")
    parser.add_argument("--session", default=socket.gethostname(), help="whose memory it is (default: the name of this host)")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that the agent thinks between two calls (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=0, help="end after so many calls (default: never)")
    return parser.parse_args(given)


async def live(url: str, session: str, pause: float, calls: int, over: asyncio.Event) -> Counter[str]:
    """Calls until `over`, or until there were `calls`; how often each kind of answer came."""
    seen: Counter[str] = Counter()
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(url, headers={"X-Session-Id": session}, timeout=timeout) as http:
        while not over.is_set() and not 0 < calls <= seen["calls"]:
            seen["calls"] += 1
            seen[await _call(http, seen["calls"])] += 1
            if seen["calls"] % REPORT == 0:
                sys.stdout.write(f"{session}: {dict(seen)}\n")
                sys.stdout.flush()
            try:
                await asyncio.wait_for(over.wait(), pause)
            except TimeoutError:
                continue
    return seen


async def _call(http: aiohttp.ClientSession, number: int) -> str:
    """One call; `written`, `kept` (answered from a cache), `fetched`, or what went wrong."""
    question = random.choice(QUESTIONS)  # noqa: S311 - which question is asked is no secret
    try:
        if number % WRITES == 0:
            async with http.post("/episodic/remember", json={"text": f"wondered about {question}"}) as answer:
                return "written" if answer.status == 201 else f"status {answer.status}"
        async with http.get("/episodic/recall", params={"q": question}) as answer:
            await answer.read()
            kept = "; hit" in answer.headers.get("Cache-Status", "")
            return ("kept" if kept else "fetched") if answer.status == 200 else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__


async def main() -> None:
    """Until SIGTERM or SIGINT."""
    given = arguments()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    seen = await live(given.url, given.session, given.pause, given.calls, over)
    sys.stdout.write(f"{given.session}: {dict(seen)}\n")


if __name__ == "__main__":
    asyncio.run(main())
