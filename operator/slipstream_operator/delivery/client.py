"""How the operator talks to a sidecar's admin port: status and signed configuration, bounded in time and size. Judges no answer.

A pod is nobody's friend: no redirect is followed, no proxy asked, no answer read without end.
"""

from __future__ import annotations

from typing import Final, TypeVar

import aiohttp
import msgspec

from slipstream_api.sidecar import Acknowledgement, Refusal, SidecarStatus
from slipstream_operator.errors import Temporary

T = TypeVar("T")
LIMIT: Final = 1 << 20  # bytes of an answer; a status of 64 pools is a tenth of it


class Unreachable(Temporary):
    """No answer, or one that isn't a sidecar's."""


class SidecarClient:
    """One per process. Connections are not kept: pods come and go, and their addresses come back as other pods'."""

    def __init__(self, *, port: int, timeout: float = 3.0, limit: int = LIMIT) -> None:
        self._port = port
        self._limit = limit
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 1.0))
        self._session: aiohttp.ClientSession | None = None

    async def status(self, ip: str) -> SidecarStatus:
        """What the sidecar says of itself."""
        code, body = await self._call("GET", ip, "/status")
        if code != 200:
            raise Unreachable(f"{ip}: /status answered {code}")
        return _decode(body, SidecarStatus, ip)

    async def put_config(self, ip: str, envelope: bytes) -> Acknowledgement | Refusal:
        """Hands over a signed configuration: acknowledged, or refused in the sidecar's words."""
        code, body = await self._call("PUT", ip, "/config", envelope)
        if code == 200:
            return _decode(body, Acknowledgement, ip)
        if 400 <= code < 500:
            return _decode(body, Refusal, ip)
        raise Unreachable(f"{ip}: /config answered {code}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _call(self, method: str, ip: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=self._timeout)
        host = f"[{ip}]" if ":" in ip else ip
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._session.request(
                method, f"http://{host}:{self._port}{path}", data=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, await _read(answer, ip, self._limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{ip}:{self._port} can't be reached: {error!r}") from error


async def _read(answer: aiohttp.ClientResponse, ip: str, limit: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise Unreachable(f"{ip}: an answer of more than {limit} bytes isn't a sidecar's")
    return bytes(body)


def _decode(body: bytes, type_: type[T], ip: str) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{ip}: the answer isn't a sidecar's: {error}") from error
