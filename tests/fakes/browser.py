"""A headless Chromium that is told by its DevTools protocol what to show: pages as files, no network. Holds no expectations."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START_TIMEOUT = 40.0
CALL_TIMEOUT = 30.0


class Browser:
    """One tab. Calls are answered in order, events are passed over."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(CALL_TIMEOUT):
            while True:
                said = await self._socket.receive_json()
                self._note(said)
                if said.get("id") == number:
                    assert "error" not in said, said
                    return dict(said["result"])

    def _note(self, said: dict[str, Any]) -> None:
        if said.get("method") == "Network.requestWillBeSent":
            self.requests.append(said["params"]["request"]["url"])
        if said.get("method") == "Log.entryAdded":
            self.complaints.append(said["params"]["entry"]["text"])

    async def show(self, page: Path, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Opens a file at a width, in a colour scheme, and waits until it is laid out."""
        self.requests.clear()
        self.complaints.clear()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        for domain in ("Network", "Page", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call("Page.navigate", url=page.as_uri())
        async with asyncio.timeout(CALL_TIMEOUT):
            while not await self.value(f"document.readyState === 'complete' && location.href === '{page.as_uri()}'"):
                continue  # each look is a round trip to the browser

    async def value(self, expression: str) -> Any:
        """What an expression has as its value on the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def screenshot(self, clip: dict[str, float], scale: float = 1) -> bytes:
        """A part of the page as PNG."""
        area = {"clip": clip | {"scale": scale}}
        return base64.b64decode((await self.call("Page.captureScreenshot", captureBeyondViewport=True, **area))["data"])


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """A browser of its own with an empty profile below `folder`. AssertionError where there is none: `apt-get install chromium`."""
    binary = shutil.which("chromium")
    assert binary is not None, "the checks of the HTML report need Debian's package chromium: apt-get install chromium"
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run")
    private = ("--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={folder}")
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        binary, *options, *private, "--remote-debugging-port=0", "about:blank", stdout=null, stderr=asyncio.subprocess.PIPE
    )
    try:
        port = await _port(process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (tab, *_) = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.kill()
        await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> int:
    """Out of the line in which it says where its DevTools listen."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(START_TIMEOUT):
        async for raw in process.stderr:
            said += raw.decode(errors="replace")
            if (at := said.find("ws://127.0.0.1:")) >= 0:
                return int(said[at + len("ws://127.0.0.1:") :].split("/")[0])
    raise AssertionError(f"chromium ended: {said[-2000:]}")
