"""A captured envelope is worth nothing elsewhere, backwards or later; each refusal has a control that is accepted."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api import envelope as e

KEY = Ed25519PrivateKey.generate()
KEYS = {"a": KEY.public_key()}
AUDIENCE = e.workload_audience("c1", "default", "agent")
POD = e.pod_audience("c1", "default", "agent", "u1")
ME = {AUDIENCE, POD}
PAYLOAD = b'{"revision":"x"}'


def config(sequence: int = 7, audience: str = AUDIENCE, key: Ed25519PrivateKey = KEY, key_id: str = "a") -> bytes:
    return e.sign(key, key_id, kind="Config", audience=audience, sequence=sequence, payload=PAYLOAD).encode()


def command(sequence: int = 1, expires: int = 100) -> bytes:
    return e.sign(KEY, "a", kind="Command", audience=POD, sequence=sequence, payload=b"{}", expires=expires).encode()


def refusal(data: bytes, last: dict[str, int] | None = None, now: float = 0.0) -> str:
    with pytest.raises(e.Refused) as caught:
        e.verify(data, KEYS, ME, last or {}, now)
    assert caught.value.message
    return caught.value.reason


def test_payload_bytes_come_back_as_they_were_signed() -> None:
    """The receiver hashes and decodes exactly what was signed."""
    payload, head = e.verify(config(), KEYS, ME, {}, 0)
    assert (payload, head.sequence, head.kind) == (PAYLOAD, 7, "Config")


def test_the_same_configuration_again_is_an_idempotent_push() -> None:
    """Equal sequence: accepted; lower: a replay."""
    e.verify(config(7), KEYS, ME, {"Config": 7}, 0)
    assert refusal(config(7), {"Config": 8}) == "Replayed"


def test_a_command_is_taken_once_and_in_time() -> None:
    """Equal sequence of a command is a replay, and after its expiry it is nothing."""
    e.verify(command(), KEYS, ME, {}, 99)
    assert refusal(command(), {"Command": 1}, 99) == "Replayed"
    assert refusal(command(), {}, 101) == "Expired"


def test_a_command_without_expiry_is_neither_made_nor_taken() -> None:
    """The signer refuses; so does the receiver when a signer didn't."""
    with pytest.raises(ValueError, match="expires"):
        command(expires=0)
    head = e.Head(kind="Command", key_id="a", audience=POD, sequence=1)
    body = msgspec.json.encode({"head": head, "payload": {}})
    forged = e.Envelope(body=e._b64(body), signature=e._b64(KEY.sign(e.CONTEXT + body)), key_id="a")
    assert refusal(forged.encode()) == "NoExpiry"


def test_another_pod_or_workload_refuses_it() -> None:
    """What is meant for one audience is nothing to another."""
    assert refusal(config(audience=e.workload_audience("c1", "default", "other"))) == "WrongAudience"


def test_a_forged_or_unknown_signature_is_refused() -> None:
    """Another key under our id, an id nobody knows, a changed byte."""
    assert refusal(config(key=Ed25519PrivateKey.generate())) == "BadSignature"
    assert refusal(config(key_id="b")) == "UnknownKey"
    outer = msgspec.json.decode(config(), type=e.Envelope)
    changed = msgspec.structs.replace(outer, body=e._b64(e._unb64(outer.body, "").replace(b'"x"', b'"y"')))
    assert refusal(changed.encode()) == "BadSignature"


def test_a_signature_without_our_context_is_refused() -> None:
    """Domain separation: the same key signing the same bytes for another protocol doesn't count."""
    outer = msgspec.json.decode(config(), type=e.Envelope)
    body = e._unb64(outer.body, "")
    assert refusal(msgspec.structs.replace(outer, signature=e._b64(KEY.sign(body))).encode()) == "BadSignature"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"body":"*","signature":"","keyId":"a"}', b'{"body":"","signature":"*","keyId":"a"}'])
def test_garbage_is_malformed_not_a_crash(data: bytes) -> None:
    """Whatever arrives is answered with a reason."""
    assert refusal(data) == "Malformed"


def test_keys_rotate_as_a_set() -> None:
    """Old and new key side by side; keys survive their text form."""
    new = Ed25519PrivateKey.generate()
    keys = e.load_keys({"a": e.dump_key(KEY.public_key()), "b": e.dump_key(new.public_key())})
    for data in (config(), config(key=new, key_id="b")):
        e.verify(data, keys, ME, {}, 0)
    with pytest.raises(e.Refused, match="32 bytes"):
        e.load_keys({"c": "AAAA"})
