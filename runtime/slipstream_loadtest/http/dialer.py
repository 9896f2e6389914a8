"""Opens connections to one target's addresses: TCP, then TLS, timed apart. Resolves nothing, knows nothing of calls."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.http.connection import Connection
from slipstream_loadtest.measured.tally import CONNECT, LOCAL_PORTS
from slipstream_loadtest.measured.tally import TLS as TLS_FAILED
from slipstream_loadtest.plan.model import Tls

_LOCAL_ERRNOS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})

Address = tuple[socket.AddressFamily, Any]


class NotConnected(Exception):  # noqa: N818 - names what is so
    """No connection; `kind` is the error's."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Dialled(NamedTuple):
    """An open connection, and how many seconds its parts took; `tls` is None without TLS."""

    connection: Connection
    connect: float
    tls: float | None


@dataclass(frozen=True, slots=True)
class Dialer:
    """`make`: a new connection's protocol; `now`: the run's clock."""

    make: Callable[[], Connection]
    now: Callable[[], float]
    context: ssl.SSLContext | None = None
    server_name: str = ""

    async def dial(self, address: Address, begun: float) -> Dialled:
        """A connection that somebody wants since `begun`. Raises NotConnected."""
        loop = asyncio.get_running_loop()
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
        except OSError as error:
            raise NotConnected(_kind(error, CONNECT)) from None
        kind = CONNECT
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address[1])
            connected = self.now()
            if self.context is None:
                _, connection = await loop.create_connection(self.make, sock=sock)
                return Dialled(connection, connected - begun, None)
            kind = TLS_FAILED
            _, connection = await loop.create_connection(self.make, sock=sock, ssl=self.context, server_hostname=self.server_name)
            return Dialled(connection, connected - begun, self.now() - connected)
        except OSError as error:
            sock.close()
            raise NotConnected(_kind(error, kind)) from None
        except BaseException:
            sock.close()
            raise


def addressed(text: str, port: int) -> Address:
    """A numeric address, with its scope where it has one, as the system wants it."""
    family, _, _, _, address = socket.getaddrinfo(text, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    return family, address


def context_of(tls: Tls | None) -> ssl.SSLContext:
    """How an https target is verified. Raises TargetUnusable for certificates that can't be read."""
    if tls is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cadata=tls.ca or None)
    except (ssl.SSLError, ValueError) as error:
        raise TargetUnusable(f"target.tls: the trusted certificates can't be read, PEM is needed: {error}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _kind(error: OSError, otherwise: str) -> str:
    return LOCAL_PORTS if error.errno in _LOCAL_ERRNOS and not isinstance(error, ssl.SSLError) else otherwise
