"""Opens connections to an upstream: name, one address after the other, TLS, one deadline over all of it. Maps every network error once."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from slipstream_api.clock import Clock
from slipstream_api.config import Upstream
from slipstream_api.dns import lookup
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.addresses import Addresses, Loads, Resolver, unload
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.trust import Trust, TrustError
from slipstream_runtime.wire.dialling import dialled
from slipstream_runtime.wire.wires import Wires, make_wires, started


class DialError(Exception):
    """No connection, and why."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure.message}: {detail}")
        self.failure = failure


class Dialer:
    """Dials upstreams through one resolver."""

    def __init__(self, resolver: Resolver, clock: Clock, tls_folder: str = "", wires: Wires | None = None) -> None:
        self._addresses = Addresses(resolver, clock)
        self._trust = Trust(tls_folder)
        self._wires = wires or make_wires()

    async def connect(
        self, factory: Callable[[], Any], upstream: Upstream, timeout: float, loads: Loads | None = None, bounded: bool = False
    ) -> tuple[asyncio.Transport, Any]:
        """A connected transport and its protocol; raises DialError within `timeout` seconds. With `loads` the address with the fewest is
        dialled first, and the connection counted there: whoever closes it takes it off (`protocol.address` says where).
        `bounded`: what is sent on it must be acknowledged, and taken, within UNACKNOWLEDGED_SECONDS."""
        resolved = False
        until = asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(until):
                addresses = await self._resolve(upstream, loads)
                resolved = True
                return await self._connect(factory, upstream, addresses, until, loads, bounded)
        except TimeoutError:
            if not resolved:
                raise DialError(failures.DNS_ERROR, f"{upstream.host}: no answer from DNS within {timeout:g} s") from None
            raise DialError(failures.CONNECT_TIMEOUT, f"{upstream.host}:{upstream.port}") from None

    def gone(self, upstream: Upstream, loads: Loads) -> frozenset[str]:
        """The addresses in `loads` that the upstream's name doesn't lead to any more; asks DNS in the background when it is time."""
        return self._addresses.gone((upstream.host, upstream.port), loads)

    async def _resolve(self, upstream: Upstream, loads: Loads | None) -> list[str]:
        try:
            return await self._addresses.of((upstream.host, upstream.port), loads or {})
        except OSError as failed:
            raise DialError(failures.DNS_ERROR, f"{upstream.host}: {failed}") from None

    async def _connect(
        self, factory: Callable[[], Any], upstream: Upstream, addresses: list[str], until: float, loads: Loads | None, bounded: bool
    ) -> tuple[asyncio.Transport, Any]:
        """The first address that answers. Each has an equal share of the time that is left: a silent one leaves some for the next."""
        loop = asyncio.get_running_loop()
        error: DialError | None = None
        for position, address in enumerate(addresses):
            share = (until - loop.time()) / (len(addresses) - position)
            try:
                async with asyncio.timeout(share):
                    return await self._counted(factory, upstream, address, loads, bounded)
            except TimeoutError:
                error = DialError(failures.CONNECT_TIMEOUT, f"{address}:{upstream.port}: silent for {share:.3g} s")
            except DialError as failed:
                error = failed
            self._addresses.failed((upstream.host, upstream.port), address)
        assert error is not None  # there is at least one address
        raise error

    async def _counted(
        self, factory: Callable[[], Any], upstream: Upstream, address: str, loads: Loads | None, bounded: bool
    ) -> tuple[asyncio.Transport, Any]:
        """One dial; it loads its address from now on, so that a burst isn't sent to one of them."""
        if loads is None:
            return await self._dial(factory, upstream, address, bounded)
        loads[address] = loads.get(address, 0) + 1
        try:
            transport, protocol = await self._dial(factory, upstream, address, bounded)
        except BaseException:
            unload(loads, address)
            raise
        protocol.address = address
        return transport, protocol

    async def _dial(self, factory: Callable[[], Any], upstream: Upstream, address: str, bounded: bool) -> tuple[asyncio.Transport, Any]:
        context, name = self._tls(upstream)
        try:
            if context is None:
                return await self._wires.connect(factory, address, upstream.port, bounded)
            return await started(await dialled(address, upstream.port, bounded), factory, context, name)
        except ssl.SSLCertVerificationError as refused:
            raise DialError(failures.TLS_CERTIFICATE, refused.verify_message) from None
        except ssl.SSLError as failed:
            raise DialError(failures.TLS_ERROR, failed.reason or str(failed)) from None
        except TimeoutError as failed:
            if failed.errno is None:
                raise  # ours, not the kernel's
            raise DialError(failures.CONNECT_TIMEOUT, f"{address}:{upstream.port}: {failed.strerror}") from None
        except OSError as failed:
            cut = context is not None and failed.errno != errno.ECONNREFUSED and isinstance(failed, ConnectionError)
            failure = failures.TLS_ERROR if cut else failures.CONNECT_REFUSED
            raise DialError(failure, f"{address}:{upstream.port}: {failed.strerror or failed}") from None

    def _tls(self, upstream: Upstream) -> tuple[ssl.SSLContext | None, str | None]:
        if upstream.tls.mode == "Disabled":
            return None, None
        try:
            context = self._trust.context(upstream.tls)
        except TrustError as error:
            raise DialError(failures.TLS_ERROR, str(error)) from None
        return context, upstream.tls.server_name or upstream.host


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
