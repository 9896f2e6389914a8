"""Opens connections to an upstream: name, addresses in turn, TLS, one deadline over all of it. Maps every error of the network once."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from slipstream_api.clock import Clock
from slipstream_api.config import Upstream
from slipstream_api.dns import lookup
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.failures import Failure

RESOLUTION_SECONDS: Final = 5.0  # a herd of dials asks DNS once; a changed address is picked up by the next dial after this


class Resolver(Protocol):
    """Addresses of a name, best first; raises OSError where there is none."""

    async def resolve(self, host: str, port: int) -> list[str]: ...


class DialError(Exception):
    """No connection, and why."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure.message}: {detail}")
        self.failure = failure


class Dialer:
    """Dials upstreams through one resolver."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._resolved: dict[str, tuple[float, list[str]]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def connect(self, factory: Callable[[], Any], upstream: Upstream, timeout: float) -> tuple[asyncio.Transport, Any]:
        """A connected transport and its protocol; raises DialError within `timeout` seconds."""
        addresses: list[str] = []
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(upstream.host, upstream.port)
                return await self._connect(factory, upstream, addresses)
        except TimeoutError:
            if not addresses:
                raise DialError(failures.DNS_ERROR, f"{upstream.host}: no answer from DNS within {timeout:g} s") from None
            raise DialError(failures.CONNECT_TIMEOUT, f"{upstream.host}:{upstream.port}") from None

    async def _connect(self, factory: Callable[[], Any], upstream: Upstream, addresses: list[str]) -> tuple[asyncio.Transport, Any]:
        context, name = self._tls(upstream)
        error: DialError | None = None
        for address in addresses:
            try:
                loop = asyncio.get_running_loop()
                return await loop.create_connection(factory, address, upstream.port, ssl=context, server_hostname=name)
            except ssl.SSLCertVerificationError as refused:
                error = DialError(failures.TLS_CERTIFICATE, refused.verify_message)
            except ssl.SSLError as failed:
                error = DialError(failures.TLS_ERROR, failed.reason or str(failed))
            except OSError as failed:
                error = DialError(_of_errno(failed), f"{address}:{upstream.port}: {failed.strerror or failed}")
        assert error is not None  # there is at least one address
        self._resolved.pop(upstream.host, None)  # the name may have moved
        raise error

    async def _addresses(self, host: str, port: int) -> list[str]:
        if is_address(host):
            return [host]
        now = self._clock.now()
        until, addresses = self._resolved.get(host, (0.0, []))
        if now < until:
            return addresses
        try:
            addresses = await self._resolver.resolve(host, port)
        except OSError as failed:
            raise DialError(failures.DNS_ERROR, f"{host}: {failed}") from None
        if not addresses:
            raise DialError(failures.DNS_ERROR, f"{host}: no address")
        self._resolved[host] = (now + RESOLUTION_SECONDS, addresses)
        return addresses

    def _tls(self, upstream: Upstream) -> tuple[ssl.SSLContext | None, str | None]:
        if upstream.tls.mode == "Disabled":
            return None, None
        context = self._contexts.get("default")
        if context is None:
            context = self._contexts["default"] = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
        return context, upstream.tls.server_name or upstream.host


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, which nobody needs to resolve."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _of_errno(error: OSError) -> Failure:
    if error.errno == errno.ETIMEDOUT:
        return failures.CONNECT_TIMEOUT
    return failures.CONNECT_REFUSED


class LoopResolver:
    """The machine's own resolver, hosts file included: right on a laptop, wrong in a pod whose hosts file names this very sidecar."""

    async def resolve(self, host: str, port: int) -> list[str]:
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return _ordered(infos)


class DnsResolver:
    """DNS alone, for pods. `nameservers`: in place of those of /etc/resolv.conf."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = nameservers

    async def resolve(self, host: str, port: int) -> list[str]:
        return [address.text for address in await lookup(host, port, self._nameservers)]


def _ordered(infos: list[Any]) -> list[str]:
    return list(dict.fromkeys(str(info[4][0]) for info in infos))
