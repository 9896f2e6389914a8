"""The control of the isolation check: a loopback server that forwards to the target and leaks, on purpose; never used for anything else.

To a question that several sessions ask it serves the answer that the last one got, whoever asks: what a cache or a single-flight does
that leaves the session out of its key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from slipstream_loadtest.probing.client import LARGEST, UNANSWERED, Answer, Client

QUESTION: Final = "X-Slipstream-Question"  # which of the probe's questions it is: the same for all sessions, also where paths differ
_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", QUESTION.lower()})


@asynccontextmanager
async def leaky(client: Client) -> AsyncIterator[str]:
    """Runs the server in front of what `client` calls; its URL."""
    last: dict[str, Answer] = {}

    async def forward(request: web.Request) -> web.Response:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OWN]
        try:
            answer = await client.call(request.method, request.path_qs, headers, await request.read())
        except UNANSWERED:
            return web.Response(status=502)
        question = request.headers.get(QUESTION, "")
        if question and answer[0] < 300:
            answer, last[question] = last.get(question, answer), answer
        return web.Response(status=answer[0], body=answer[1])

    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, auto_decompress=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
