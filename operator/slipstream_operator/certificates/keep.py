"""Looks at the Secret and at the webhook's CA bundle every minute, and writes what the decision asks for. A task of the operator.

Trust comes before use: the bundle has the new authority before the Secret has its certificate, and keeps the old one beside it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from slipstream_operator.certificates.authority import new_authority, new_certificate, utc
from slipstream_operator.certificates.decide import (
    AUTHORITY_KEY,
    BUNDLE,
    CERTIFICATE,
    KEY,
    Decision,
    authority_of,
    bundle_of,
    decide,
    join,
    managed_elsewhere,
)
from slipstream_operator.errors import Conflict, Forbidden, NotFound, OperatorError, Temporary
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import MUTATING_WEBHOOK, SECRET
from slipstream_operator.names import INJECTOR_TLS_SECRET

log = logging.getLogger(__name__)

WEBHOOK: Final = "slipstream-injector"
SERVICE: Final = "slipstream-injector"
INTERVAL: Final = 60.0  # a webhook that somebody replaced gets its bundle back within that
RETRY: Final = 5.0
SETTLE: Final = 5.0  # API servers hear of a new bundle within a second or so; an injector of a new certificate at once


class Keeper:
    """`look` once, or `run` for ever. `expires`: end of the serving certificate in unix seconds, 0 where unknown."""

    def __init__(
        self,
        kube: Kube,
        wall: Callable[[], float],
        namespace: str,
        *,
        webhook: str = WEBHOOK,
        service: str = SERVICE,
        settle: float = SETTLE,
    ) -> None:
        self._kube, self._wall, self._namespace, self._webhook, self._settle = kube, wall, namespace, webhook, settle
        self._names = [f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local"]
        self.reason = "not looked yet"
        self._refused = False

    async def run(self, interval: float = INTERVAL) -> None:
        """Until cancelled. What the API server refuses is logged once and tried again."""
        said = ""
        while True:
            try:
                await self.look()
                said, pause = "", interval
            except OperatorError as error:
                if str(error) != said:
                    log.warning("the injector's certificate stays as it is: %s", error)
                said = str(error)
                pause = max(RETRY, error.delay or 0.0) if isinstance(error, Temporary) else interval
            await asyncio.sleep(pause)

    async def look(self) -> Decision:
        """One round: read, decide, write."""
        secret = await self._secret()
        if managed_elsewhere(secret["metadata"].get("annotations") or {}):
            self.reason = "cert-manager keeps the Secret and the bundle"
            return Decision("Keep", self.reason)
        now = utc(self._wall())
        data = decoded(secret)
        decision = decide(data, self._names, now)
        new = renewed(decision, data, self._names, now) if decision.action != "Keep" else data
        in_use = bool(data.get(CERTIFICATE))
        if await self._trusted(new[BUNDLE], needed=in_use and decision.action == "RenewAuthority") and in_use and new is not data:
            await asyncio.sleep(self._settle)  # the certificate in use is still good
        if new is not data:
            await self._write(secret, new)
            log.info("the injector has a new certificate: %s", decision.reason)
        self.reason = decision.reason
        return decision

    async def _secret(self) -> Object:
        try:
            return await self._kube.get(SECRET, self._namespace, INJECTOR_TLS_SECRET)
        except NotFound as error:
            raise Temporary(
                f"there is no Secret {self._namespace}/{INJECTOR_TLS_SECRET}: apply manifests/, which ship it empty", delay=10.0
            ) from error

    async def _write(self, secret: Object, new: Mapping[str, bytes]) -> None:
        """With the version that was read: of two operators only one makes a certificate."""
        data = {**(secret.get("data") or {}), **{name: base64.b64encode(content).decode() for name, content in new.items()}}
        try:
            await self._kube.update(SECRET, {**secret, "data": data})
        except Conflict as error:
            raise Temporary(f"Secret {INJECTOR_TLS_SECRET} has changed meanwhile: {error}", delay=1.0) from error

    async def _trusted(self, bundle: bytes, *, needed: bool) -> bool:
        """As `_trust`. An administrator may keep the bundle, so a refusal is no obstacle, unless what is trusted now would be given up."""
        try:
            changed = await self._trust(bundle)
        except Forbidden as error:
            if needed:
                raise
            if not self._refused:
                log.warning("the webhook's CA bundle is the administrator's matter: %s", error)
            self._refused = True
            return False
        self._refused = False
        return changed

    async def _trust(self, bundle: bytes) -> bool:
        """The bundle into every webhook that has another. True where something was written."""
        try:
            configuration = await self._kube.get(MUTATING_WEBHOOK, None, self._webhook)
        except NotFound:
            # Somebody may install it later: nothing is lost by having a certificate already.
            log.debug("there is no MutatingWebhookConfiguration %s yet", self._webhook)
            return False
        wanted = base64.b64encode(bundle).decode()
        webhooks = configuration.get("webhooks") or []
        if all((webhook.get("clientConfig") or {}).get("caBundle") == wanted for webhook in webhooks):
            return False
        # Server-side apply owns this one member of each webhook, and nothing else of what the administrator wrote.
        await self._kube.apply(
            MUTATING_WEBHOOK,
            {
                "metadata": {"name": self._webhook},
                "webhooks": [{"name": webhook["name"], "clientConfig": {"caBundle": wanted}} for webhook in webhooks],
            },
        )
        return True


def decoded(secret: Object) -> dict[str, bytes]:
    """The Secret's data; what isn't base64 counts as missing."""
    found = {}
    for name, text in (secret.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError):
            continue
    return found


def renewed(decision: Decision, data: Mapping[str, bytes], names: Sequence[str], now: datetime) -> dict[str, bytes]:
    """The Secret's new data after a decision to renew."""
    authority = new_authority(now) if decision.action == "RenewAuthority" else authority_of(data)
    certificate = new_certificate(authority, names, now)
    return {
        BUNDLE: join(authority.certificate, bundle_of(data), now),
        AUTHORITY_KEY: authority.key,
        CERTIFICATE: certificate.certificate,
        KEY: certificate.key,
    }
