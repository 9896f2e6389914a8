"""The HTTP client of probes and of the memory sampler: one target, addresses as the plan resolves them, bodies bounded. Times nothing."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.http.resolve import resolver, url_of
from slipstream_loadtest.http.url_guard import check_url
from slipstream_loadtest.plan.model import Target

AT_ONCE: Final = 256  # connections of one client; further calls wait for one
LARGEST: Final = 16 << 20  # bytes of a body; a larger one is no answer
UNANSWERED: Final = (ClientError, OSError, TimeoutError, TargetUnusable, ValueError)

Answer = tuple[int, bytes]


class Client:
    """`async with Client(...) as client`: calls to one base URL, no cookies, no redirects, nothing sent twice."""

    def __init__(self, base: str, timeout_ms: int, target: Target | None = None) -> None:
        self._base = base.rstrip("/")
        self._target = target
        self._timeout = ClientTimeout(total=timeout_ms / 1000)

    @classmethod
    def to(cls, target: Target, environ: Mapping[str, str], timeout_ms: int, port: int = 0) -> Client:
        """A client of a plan's target, `port` in place of its own. Raises TargetUnusable where its URL isn't known or may not be asked."""
        url = url_of(target, environ)
        if refused := check_url(url):  # names are looked at when they are resolved, addresses aren't
            raise TargetUnusable(refused.message)
        if port:
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            url = f"{parts.scheme}://{host}:{port}"
        return cls(url, timeout_ms, target)

    async def __aenter__(self) -> Self:
        tls = _context(self._target)
        connector = TCPConnector(limit=AT_ONCE, resolver=_Resolver(self._target), ssl=True if tls is None else tls)
        self._session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=self._timeout,
            skip_auto_headers=("Accept-Encoding",),  # part of a cache's key: ask as the load does
            raise_for_status=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Answer:
        """Status and body. Raises one of UNANSWERED where there is no whole answer."""
        url = URL(self._base + path, encoded=True)
        server_name = self._target.tls.server_name if self._target is not None and self._target.tls is not None else ""
        async with self._session.request(
            method, url, headers=list(headers), data=body or None, allow_redirects=False, server_hostname=server_name or None
        ) as answer:
            if (answer.content_length or 0) > LARGEST:
                raise ValueError(f"a body of {answer.content_length} bytes, {LARGEST} are read")
            read = bytearray()
            async for chunk in answer.content.iter_chunked(64 << 10):
                read += chunk
                if len(read) > LARGEST:
                    raise ValueError(f"a body of more than {LARGEST} bytes")
            return answer.status, bytes(read)


class _Resolver(AbstractResolver):
    """Names by the plan's way, and never to an address that no load may go to."""

    def __init__(self, target: Target | None) -> None:
        self._resolve = resolver(target.resolution if target is not None else "System")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        try:
            addresses = await self._resolve(host, port)
        except TargetUnusable as error:
            raise OSError(str(error)) from None
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ipaddress.ip_address(address.split("%", 1)[0]).version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return


def _context(target: Target | None) -> ssl.SSLContext | bool | None:
    """How https is verified: as the plan says, None for the system's way."""
    if target is None or target.tls is None:
        return None
    if not target.tls.verify:
        return False
    return ssl.create_default_context(cadata=target.tls.ca) if target.tls.ca else None
