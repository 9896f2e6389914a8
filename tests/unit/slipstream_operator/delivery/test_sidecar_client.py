"""The client of the admin port trusts nobody: bounded in time and size, no redirects, and every oddity is one error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from slipstream_api.sidecar import Acknowledgement, Refusal
from slipstream_operator.delivery.client import LIMIT, SidecarClient, Unreachable

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pod:
    """Answers whatever the test says."""

    answer: Answer
    port: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request)


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    made, app = Pod(), web.Application()
    app.router.add_route("*", "/{tail:.*}", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(pod: Pod) -> AsyncIterator[SidecarClient]:
    made = SidecarClient(port=pod.port, timeout=0.5)
    yield made
    await made.close()


def says(text: str, status: int = 200, **more: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status, headers=more)

    return answer


async def test_an_acknowledgement_names_the_revision(pod: Pod, client: SidecarClient) -> None:
    """200."""
    pod.answer = says('{"revision":"r1"}')
    assert await client.put_config("127.0.0.1", b"{}") == Acknowledgement(revision="r1")


@pytest.mark.parametrize("status", [400, 403, 409, 422])
async def test_a_refusal_comes_back_in_the_sidecars_words(pod: Pod, client: SidecarClient, status: int) -> None:
    """Any 4xx."""
    pod.answer = says('{"reason":"Invalid","message":"$.pools"}', status)
    assert await client.put_config("127.0.0.1", b"{}") == Refusal(reason="Invalid", message="$.pools")


@pytest.mark.parametrize(
    "answer",
    [
        says("oops", 500),
        says("not json"),
        says("<html>", 404),
        says('{"revision":1}'),
        says("", 307, Location="http://127.0.0.1:1/elsewhere"),
        says("x" * (LIMIT + 1)),
    ],
    ids=["500", "text", "404", "ill-typed", "redirect", "endless"],
)
async def test_whatever_isnt_a_sidecars_answer_is_unreachable(pod: Pod, client: SidecarClient, answer: Answer) -> None:
    """Another pod may have the address by now."""
    pod.answer = answer
    with pytest.raises(Unreachable):
        await client.put_config("127.0.0.1", b"{}")
    with pytest.raises(Unreachable):
        await client.status("127.0.0.1")


async def test_a_pod_that_doesnt_answer_is_given_up(pod: Pod, client: SidecarClient) -> None:
    """In bounded time."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    pod.answer = never
    with pytest.raises(Unreachable):
        await asyncio.wait_for(client.status("127.0.0.1"), 3)


async def test_nobody_there_is_unreachable(client: SidecarClient) -> None:
    """Refused, and an address that isn't one."""
    nobody = SidecarClient(port=1, timeout=0.5)
    with pytest.raises(Unreachable):
        await nobody.status("127.0.0.1")
    with pytest.raises(Unreachable):
        await nobody.status("::1")
    await nobody.close()
