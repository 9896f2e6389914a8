"""Signed envelopes: what may be pushed to a sidecar or a runner. Pure: keys, time and what was last accepted are arguments; keeps no state.

The signature covers kind, key id, audience, sequence and expiry together with the payload, so that a captured envelope is worth nothing
elsewhere (audience), backwards (sequence) or later (expiry of commands). The signed bytes travel as they are: a receiver never
re-serialises what it verifies. Ed25519, RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

CONTEXT: Final = b"slipstream.dev/envelope/v1\n"  # domain separation: a signature of ours means nothing in another protocol
Kind = Literal["Config", "Command", "Start"]


class Refused(Exception):  # noqa: N818 - an answer, not a malfunction
    """Why an envelope isn't taken. `reason` is one of slipstream_api.sidecar.Refusal's, the message says what to look at."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Head(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a signature says about its payload. `sequence` grows per kind; `expires`: unix seconds, 0 for a Config (never stale)."""

    kind: Kind
    key_id: str
    audience: str
    sequence: int
    expires: int = 0


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The wire form: base64 of head and payload, base64 of the signature over CONTEXT + body, and which key to try."""

    body: str
    signature: str
    key_id: str

    def encode(self) -> bytes:
        """JSON, as it travels in a ConfigMap or a request."""
        return msgspec.json.encode(self, order="sorted")


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    head: Head
    payload: msgspec.Raw


def sign(
    private_key: Ed25519PrivateKey, key_id: str, *, kind: Kind, audience: str, sequence: int, payload: bytes, expires: int = 0
) -> Envelope:
    """An envelope around `payload` (JSON bytes). A Command or Start must expire (unix seconds)."""
    if kind != "Config" and not expires:
        raise ValueError(f"a {kind} needs `expires`: without it a capture could be replayed after a restart of the receiver")
    head = Head(kind=kind, key_id=key_id, audience=audience, sequence=sequence, expires=expires)
    body = msgspec.json.encode({"head": head, "payload": msgspec.Raw(payload)}, order="sorted")
    signature = private_key.sign(CONTEXT + body)
    return Envelope(body=_b64(body), signature=_b64(signature), key_id=key_id)


def verify(
    envelope: bytes, keys: Mapping[str, Ed25519PublicKey], audiences: Collection[str], last_sequence: Mapping[str, int], now: float
) -> tuple[bytes, Head]:
    """The payload's bytes and what was signed about them; raises Refused.

    keys: key id → public key, a set so that keys can be rotated. last_sequence: kind → the highest accepted so far. now: unix seconds.
    A Config of the same sequence is an idempotent re-push; a Command or Start of the same sequence is a replay.
    """
    outer = _decode_envelope(envelope)
    key = keys.get(outer.key_id)
    if key is None:
        raise Refused("UnknownKey", f"no key {outer.key_id!r} here: known are {', '.join(sorted(keys)) or 'none'}")
    body = _unb64(outer.body, "body")
    try:
        key.verify(_unb64(outer.signature, "signature"), CONTEXT + body)
    except InvalidSignature:
        raise Refused("BadSignature", "the signature doesn't fit the body") from None
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except msgspec.DecodeError as error:
        raise Refused("Malformed", f"body: {error}") from None
    _check_head(decoded.head, outer.key_id, audiences, last_sequence, now)
    return bytes(decoded.payload), decoded.head


def _check_head(head: Head, key_id: str, audiences: Collection[str], last_sequence: Mapping[str, int], now: float) -> None:
    if head.key_id != key_id:
        raise Refused("UnknownKey", f"signed as key {head.key_id!r} but sent as {key_id!r}")
    if head.audience not in audiences:
        raise Refused("WrongAudience", f"meant for {head.audience}, this is {', '.join(sorted(audiences))}")
    if head.kind != "Config" and not head.expires:
        raise Refused("NoExpiry", f"a {head.kind} without an expiry could be replayed")
    if head.expires and now > head.expires:
        raise Refused("Expired", f"expired {now - head.expires:.0f} s ago: is the clock of the sender or of this node wrong?")
    last = last_sequence.get(head.kind, 0)
    if head.sequence < last or (head.kind != "Config" and head.sequence == last):
        raise Refused("Replayed", f"sequence {head.sequence} of {head.kind}, {last} was accepted before")


def load_keys(encoded: Mapping[str, str]) -> dict[str, Ed25519PublicKey]:
    """{key id: base64 of 32 raw bytes} → public keys; raises Refused when one is no key."""
    keys = {}
    for key_id, text in encoded.items():
        try:
            keys[key_id] = Ed25519PublicKey.from_public_bytes(_unb64(text, f"key {key_id}"))
        except ValueError:
            raise Refused("Malformed", f"key {key_id}: an Ed25519 public key has 32 bytes") from None
    return keys


def dump_key(key: Ed25519PublicKey) -> str:
    """A public key as `load_keys` reads it."""
    return _b64(key.public_bytes_raw())


def workload_audience(cluster: str, namespace: str, workload: str) -> str:
    """Whom a Config is for: every pod of a workload."""
    return f"{cluster}/{namespace}/{workload}"


def pod_audience(cluster: str, namespace: str, workload: str, pod_uid: str) -> str:
    """Whom a Command or Start is for: one pod."""
    return f"{cluster}/{namespace}/{workload}/pods/{pod_uid}"


def _decode_envelope(envelope: bytes) -> Envelope:
    try:
        return msgspec.json.decode(envelope, type=Envelope)
    except msgspec.DecodeError as error:
        raise Refused("Malformed", f"not an envelope: {error}") from None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Malformed", f"{what}: not base64") from None
