"""Where the signing keys live: one Secret, read and updated by name, never created or watched; and who publishes the public ones."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable

from slipstream_api.sidecar import KEYS_FILE
from slipstream_operator.delivery.keys import KeySet, Lifetimes, SigningKey, decode, encode, renew
from slipstream_operator.errors import NotFound, Temporary
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import CONFIG_MAP, SECRET
from slipstream_operator.names import (
    ANNOTATION_ROTATE,
    ANNOTATION_ROTATED,
    CLUSTER_FIELD,
    LABEL_MANAGED_BY,
    PUBLIC_KEYS_CONFIG_MAP,
    SIGNING_KEYS_FIELD,
    SIGNING_KEYS_SECRET,
)

log = logging.getLogger(__name__)


class KeyStore:
    """`refresh` now and then; `keys` and `signer` are what it found last."""

    def __init__(self, kube: Kube, namespace: str, cluster: str, wall: Callable[[], float], lifetimes: Lifetimes | None = None) -> None:
        self._kube, self._namespace, self._cluster, self._wall = kube, namespace, cluster, wall
        self._lifetimes = lifetimes or Lifetimes()
        self._published: str | None = None
        self._seen: tuple[dict[str, str], str] | None = None  # the signer changes by time alone
        self.keys: KeySet | None = None

    @property
    def ready(self) -> bool:
        return self.keys is not None

    def signer(self) -> SigningKey:
        return self._known().signer(self._wall(), self._lifetimes)

    def public(self) -> dict[str, str]:
        return self._known().public()

    def public_json(self) -> str:
        """The public keys as every `keys.json` has them: equal sets are equal texts."""
        return json.dumps(self.public(), sort_keys=True, separators=(",", ":"))

    async def refresh(self) -> bool:
        """Reads the Secret, renews what is due and publishes the public keys. True where the set or the signer is another than before."""
        secret = await self._read()
        annotations = secret["metadata"].get("annotations") or {}
        asked = annotations.get(ANNOTATION_ROTATE, "")
        old = decode(base64.b64decode((secret.get("data") or {}).get(SIGNING_KEYS_FIELD, "")).decode())
        new = renew(old, self._wall(), self._lifetimes, rotate=bool(old) and asked != annotations.get(ANNOTATION_ROTATED, ""))
        if new != old or asked != annotations.get(ANNOTATION_ROTATED, ""):
            await self._write(secret, new, asked)
            log.info("the signing keys are now %s", ", ".join(key.id for key in new))
        self.keys = KeySet(new)
        await self._publish()
        before, self._seen = self._seen, (self.public(), self.signer().id)
        return before != self._seen

    def _known(self) -> KeySet:
        if self.keys is None:
            raise Temporary("the signing keys haven't been read yet", delay=1.0)
        return self.keys

    async def _read(self) -> Object:
        try:
            return await self._kube.get(SECRET, self._namespace, SIGNING_KEYS_SECRET)
        except NotFound as error:
            raise Temporary(
                f"there is no Secret {self._namespace}/{SIGNING_KEYS_SECRET}: apply manifests/, which ship it empty", delay=10.0
            ) from error

    async def _write(self, secret: Object, keys: tuple[SigningKey, ...], asked: str) -> None:
        """With the version that was read: of two operators only one makes a key."""
        meta = dict(secret["metadata"])
        meta["annotations"] = {**(meta.get("annotations") or {}), **({ANNOTATION_ROTATED: asked} if asked else {})}
        text = base64.b64encode(encode(keys).encode()).decode()
        data = {**(secret.get("data") or {}), SIGNING_KEYS_FIELD: text}
        await self._kube.update(SECRET, {**secret, "metadata": meta, "data": data})

    async def _publish(self) -> None:
        text = self.public_json()
        if text == self._published:
            return
        await self._kube.apply(
            CONFIG_MAP,
            {
                "metadata": {
                    "namespace": self._namespace,
                    "name": PUBLIC_KEYS_CONFIG_MAP,
                    "labels": {LABEL_MANAGED_BY: "slipstream-operator"},
                },
                "data": {KEYS_FILE: text, CLUSTER_FIELD: self._cluster},
            },
        )
        self._published = text
