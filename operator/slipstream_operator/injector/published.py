"""What the injector reads from the operator's namespace, each object by its name: public keys and serving certificate. Writes nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from slipstream_api.sidecar import KEYS_FILE
from slipstream_operator.errors import OperatorError
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, SECRET
from slipstream_operator.names import CLUSTER_FIELD, INJECTOR_TLS_SECRET, PUBLIC_KEYS_CONFIG_MAP

log = logging.getLogger(__name__)

IMPATIENT: Final = 1.0  # seconds between two looks for what isn't there yet
PATIENT: Final = 15.0


class PublicKeys:
    """The cluster's id and the operator's public keys, which every bootstrap carries."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        self.cluster = ""
        self.keys: dict[str, str] = {}

    def problem(self) -> str:
        return "" if self.cluster and self.keys else f"no ConfigMap {PUBLIC_KEYS_CONFIG_MAP} yet: is the operator running?"

    async def refresh(self) -> None:
        data = (await self._kube.get(CONFIG_MAP, self._namespace, PUBLIC_KEYS_CONFIG_MAP)).get("data") or {}
        try:
            keys = json.loads(data.get(KEYS_FILE, "{}"))
        except ValueError:
            log.warning("ConfigMap %s: %s isn't JSON; the keys stay as they are", PUBLIC_KEYS_CONFIG_MAP, KEYS_FILE)
            return
        if isinstance(keys, dict) and keys and data.get(CLUSTER_FIELD):
            self.keys, self.cluster = {str(name): str(key) for name, key in keys.items()}, str(data[CLUSTER_FIELD])


class ServingCertificate:
    """A server's TLS context whose certificate follows the Secret: new handshakes get the new one, open connections go on."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        self._loaded: tuple[str, str] | None = None
        self.expires = 0.0  # unix seconds
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.loaded = asyncio.Event()

    def problem(self) -> str:
        return "" if self.loaded.is_set() else f"no certificate in Secret {INJECTOR_TLS_SECRET} yet: is the operator running?"

    async def refresh(self) -> None:
        data = (await self._kube.get(SECRET, self._namespace, INJECTOR_TLS_SECRET)).get("data") or {}
        found = (str(data.get("tls.crt") or ""), str(data.get("tls.key") or ""))
        if not all(found) or found == self._loaded:
            return
        try:
            certificate, key = (base64.b64decode(text, validate=True) for text in found)
            self.expires = x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
            load(self.context, certificate, key)
        except (ValueError, ssl.SSLError) as error:
            # The error may quote what it read; its type is enough.
            log.error("Secret %s: certificate or key can't be used (%s); the one before stays", INJECTOR_TLS_SECRET, type(error).__name__)
            return
        self._loaded = found
        self.loaded.set()
        log.info("serving with a new certificate")


def load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads files only: two, for a moment, in a folder of our own (in a pod that is memory)."""
    with tempfile.TemporaryDirectory(prefix="slipstream-") as folder:
        paths = Path(folder, "tls.crt"), Path(folder, "tls.key")
        for path, content in zip(paths, (certificate, key), strict=True):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        context.load_cert_chain(*paths)


async def poll(refresh: Callable[[], Awaitable[Any]], problem: Callable[[], str]) -> None:
    """Looks again and again until cancelled: often while something is missing, then now and then."""
    said = ""
    while True:
        try:
            await refresh()
            said = ""
        except OperatorError as error:
            if str(error) != said:
                log.warning("%s", error)
            said = str(error)
        await asyncio.sleep(IMPATIENT if problem() else PATIENT)
