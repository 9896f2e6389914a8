"""Signing keys: a set, of which the newest that everybody knows signs. Decides when one is made, used and dropped; pure but for randomness.

    made ──activation──▶ signs ──successor signs──▶ only verifies ──retention──▶ dropped

A new key is published before it signs, since volumes reach a pod up to 90 s later than a push. The only key there is signs at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api.envelope import dump_key
from slipstream_operator.errors import Permanent


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds; see the module."""

    max_age: float = 90 * 86400.0
    activation: float = 180.0
    retention: float = 86400.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`created`: unix seconds. The private key shows up in no repr."""

    id: str
    created: int
    private: Ed25519PrivateKey = field(repr=False, compare=False)

    def public(self) -> str:
        """Base64 of the raw public key."""
        return dump_key(self.private.public_key())


@dataclass(frozen=True, slots=True)
class KeySet:
    """Oldest first, never empty."""

    keys: tuple[SigningKey, ...]

    def signer(self, now: float, lifetimes: Lifetimes) -> SigningKey:
        """The newest key that has been published long enough; the oldest where none has."""
        ready = [key for key in self.keys if now - key.created >= lifetimes.activation]
        return ready[-1] if ready else self.keys[0]

    def public(self) -> dict[str, str]:
        """What everybody may know: key id to base64 of the raw public key."""
        return {key.id: key.public() for key in self.keys}


def new_key(now: float) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(hashlib.sha256(private.public_key().public_bytes_raw()).hexdigest()[:16], int(now), private)


def renew(keys: Sequence[SigningKey], now: float, lifetimes: Lifetimes, *, rotate: bool = False) -> tuple[SigningKey, ...]:
    """The set as it should be now: at least one key, a new one when asked for or when the newest is too old, none beyond its retention."""
    keys = sorted(keys, key=lambda key: key.created)
    # The successor's age decides: what it was made to replace has to verify until everything is signed anew.
    kept = [
        key
        for key, successor in zip_longest(keys, keys[1:])
        if successor is None or now - successor.created < lifetimes.activation + lifetimes.retention
    ]
    if not kept or rotate or now - kept[-1].created >= lifetimes.max_age:
        kept.append(new_key(now))
    return tuple(kept)


def encode(keys: Sequence[SigningKey]) -> str:
    """The Secret's text."""
    records = [{"id": k.id, "created": k.created, "private": base64.b64encode(k.private.private_bytes_raw()).decode()} for k in keys]
    return json.dumps({"keys": records}, separators=(",", ":"))


def decode(text: str) -> tuple[SigningKey, ...]:
    """The keys of a Secret's text; none where it's empty."""
    if not text.strip():
        return ()
    try:
        return tuple(
            SigningKey(str(r["id"]), int(r["created"]), Ed25519PrivateKey.from_private_bytes(base64.b64decode(r["private"], validate=True)))
            for r in json.loads(text)["keys"]
        )
    except (KeyError, TypeError, ValueError) as error:
        # The error's own text may quote the key.
        raise Permanent(
            f"the signing keys can't be read ({type(error).__name__}); empty the Secret's data to start with a new key"
        ) from None
