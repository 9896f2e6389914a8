"""The client of probes against real servers: certificates as the plan says, ports of its own, bounded bodies, refused addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, web

from slipstream_loadtest.plan.model import Target, Tls
from slipstream_loadtest.probing import client as probing_client
from slipstream_loadtest.probing.client import UNANSWERED, Client
from tests.fakes.authority import Authority


@asynccontextmanager
async def served(authority: Authority | None = None) -> AsyncIterator[int]:
    """Says who asked on /, more than is read on /large, and sends on at /away; its port."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(
            text=f"{request.method} {request.headers.get('X-Session-Id', '')} {request.headers.get('Accept-Encoding', '-')}"
        )

    async def large(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        for _ in range(64):
            await stream.write(b"x" * 1024)
        return stream

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound("/", headers={"Set-Cookie": "a=b"})

    app = web.Application()
    app.add_routes([web.get("/", hello), web.get("/large", large), web.get("/away", away)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = authority.server("localhost") if authority is not None else None
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def asked(target: Target, path: str = "/", port: int = 0) -> tuple[int, bytes]:
    async with Client.to(target, {}, 5_000, port) as client:
        return await client.call("GET", path, [("X-Session-Id", "ann")])


async def test_a_certificate_is_verified_as_the_plan_says(tmp_path: Path) -> None:
    """By the plan's authority and server name, not at all, or by the system's, which doesn't know it."""
    authority = Authority(tmp_path)
    async with served(authority) as port:
        url = f"https://127.0.0.1:{port}"
        trusted = Tls(ca=authority.certificate.read_text(), server_name="localhost")
        assert (await asked(Target(name="Direct", url=url, tls=trusted)))[0] == 200
        assert (await asked(Target(name="Direct", url=url, tls=Tls(verify=False))))[0] == 200
        for wrong in (None, Tls(ca=trusted.ca, server_name="another"), Tls(server_name="localhost")):
            with pytest.raises(ClientError):
                await asked(Target(name="Direct", url=url, tls=wrong))


async def test_a_port_of_its_own_takes_the_place_of_the_targets() -> None:
    """Metrics are often served apart; what is asked carries the session, and no Accept-Encoding that the load doesn't send."""
    async with served() as port:
        assert await asked(Target(name="Direct", url="http://127.0.0.1:1"), port=port) == (200, b"GET ann -")


async def test_redirects_are_answers_and_cookies_are_nobodys() -> None:
    """A session is what the plan says, never what a server hands out."""
    async with served() as port:
        target = Target(name="Direct", url=f"http://127.0.0.1:{port}")
        async with Client.to(target, {}, 5_000) as client:
            assert (await client.call("GET", "/away"))[0] == 302
            assert await client.call("GET", "/") == (200, b"GET  -")


async def test_a_body_that_does_not_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whatever a target sends."""
    monkeypatch.setattr(probing_client, "LARGEST", 10_000)
    async with served() as port:
        with pytest.raises(ValueError, match="more than 10000 bytes"):
            await asked(Target(name="Direct", url=f"http://127.0.0.1:{port}"), "/large")


async def test_addresses_that_no_load_may_go_to_are_refused() -> None:
    """A port of its own leads to the same host, and the host is looked at again."""
    with pytest.raises(UNANSWERED, match="metadata"):
        await asked(Target(name="Direct", url="http://169.254.169.254"))
