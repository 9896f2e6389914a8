"""TLS settings towards upstreams, from files that are mounted beside us: whom we trust, and who we are. Dials nothing.

Files are read again when they change, so that a certificate may be renewed under a running process; open connections stay as they are."""

from __future__ import annotations

import os
import ssl
from typing import Final

from slipstream_api.config import Tls

MAX_CONTEXTS: Final = 64  # beyond them all are made anew; one an upstream is usual

_Stamp = tuple[tuple[int, int, int], ...]


class TrustError(Exception):
    """A file that is missing, or isn't what it should be; its message names the file."""


class Trust:
    """`folder`: where the files are that a pool names; empty: there are none."""

    def __init__(self, folder: str = "") -> None:
        self._folder = folder
        self._contexts: dict[tuple[str, str, str], tuple[_Stamp, ssl.SSLContext]] = {}

    def context(self, tls: Tls) -> ssl.SSLContext:
        """The settings of one upstream as the files are now; raises TrustError."""
        names = (tls.ca, tls.certificate, tls.key)
        stamp = tuple(self._stamp(name) for name in names if name)
        known = self._contexts.get(names)
        if known is not None and known[0] == stamp:
            return known[1]
        if len(self._contexts) >= MAX_CONTEXTS:
            self._contexts.clear()
        context = self._read(tls)
        self._contexts[names] = (stamp, context)
        return context

    def _read(self, tls: Tls) -> ssl.SSLContext:
        try:
            # With an authority of its own an upstream is nobody else's: those of the system don't count.
            context = ssl.create_default_context(cafile=self._path(tls.ca) if tls.ca else None)
        except (OSError, ssl.SSLError) as error:
            raise TrustError(f"{tls.ca} holds no certificate in PEM: {error}") from None
        context.set_alpn_protocols(["http/1.1"])
        if tls.certificate:
            try:
                context.load_cert_chain(self._path(tls.certificate), self._path(tls.key), password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise TrustError(f"{tls.certificate} and {tls.key} aren't a certificate and its key: {error}") from None
        return context

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _stamp(self, name: str) -> tuple[int, int, int]:
        if not self._folder:
            raise TrustError(f"{name}: no folder of TLS files was given")
        try:
            found = os.stat(self._path(name))
        except OSError as error:
            raise TrustError(f"{name}: {error.strerror}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # otherwise OpenSSL would ask a terminal
