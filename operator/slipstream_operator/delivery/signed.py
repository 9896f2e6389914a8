"""Which envelope a workload is to have: the one that is there, or a new one; and its ConfigMap. Pure: keys, times and facts come in.

A sequence only grows: unix milliseconds, or one more than the highest that anybody has seen, so that it survives a lost ConfigMap, a lost
operator and a clock that was set back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api import config as c
from slipstream_api.envelope import Refused, load_keys, sign, verify
from slipstream_api.sidecar import ENVELOPE_FILE, KEYS_FILE
from slipstream_operator.delivery.keys import SigningKey
from slipstream_operator.entries import ConfigMapEntry
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.names import FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_WORKLOAD, workload_config_map
from slipstream_operator.policies import PolicyEntry

# A sidecar that claims a sequence far in the future would make every later one useless if it were believed.
TRUSTED_AHEAD_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope and what it says."""

    text: str
    revision: str
    sequence: int
    key_id: str


def read(text: str, keys: Mapping[str, str], audience: str) -> Signed | None:
    """The envelope of a ConfigMap, if it is genuine and for this workload."""
    if not text:
        return None
    try:
        payload, head = verify(text.encode(), load_keys(keys), {audience}, {}, 0.0)
        config = c.decode(payload)
    except (Refused, ValueError):  # msgspec's errors are ValueErrors
        return None
    return Signed(text, c.revision(config), head.sequence, head.key_id) if head.kind == "Config" else None


def choose(known: Iterable[Signed | None], revision: str, key_id: str, pods: Iterable[int], now_ms: int) -> Signed | int:
    """An envelope that will do, or the sequence of the one to sign. It does if it has the revision, the key, and nobody is ahead of it."""
    found = [signed for signed in known if signed is not None]
    highest = max([*(s.sequence for s in found), *(p for p in pods if p <= now_ms + TRUSTED_AHEAD_MS)], default=0)
    for signed in sorted(found, key=lambda s: -s.sequence):
        if signed.revision == revision and signed.key_id == key_id and signed.sequence >= highest:
            return signed
    return max(now_ms, highest + 1)


def sign_config(key: SigningKey, config: c.RuntimeConfig, revision: str, audience: str, sequence: int) -> Signed:
    envelope = sign(key.private, key.id, kind="Config", audience=audience, sequence=sequence, payload=c.canonical(config))
    return Signed(envelope.encode().decode(), revision, sequence, key.id)


def config_map(namespace: str, workload: str, signed: Signed, keys: str, owners: Iterable[PolicyEntry]) -> dict[str, Any]:
    """The workload's ConfigMap; it goes when the last of its pools goes. No owner is its controller: they share it."""
    return {
        "metadata": {
            "namespace": namespace,
            "name": workload_config_map(workload),
            "labels": {LABEL_MANAGED_BY: FIELD_MANAGER, LABEL_WORKLOAD: workload},
            "ownerReferences": [
                {"apiVersion": CONNECTION_POOL.api_version, "kind": CONNECTION_POOL.kind, "name": pool.name, "uid": pool.uid}
                for pool in sorted(owners, key=lambda pool: pool.name)
            ],
        },
        "data": {ENVELOPE_FILE: signed.text, KEYS_FILE: keys},
    }


def matches(entry: ConfigMapEntry | None, manifest: Mapping[str, Any]) -> bool:
    """Whether a ConfigMap is as it should be; what others have added to it is theirs."""
    return (
        entry is not None
        and entry.envelope == manifest["data"][ENVELOPE_FILE]
        and entry.keys == manifest["data"][KEYS_FILE]
        and entry.owners == {owner["uid"] for owner in manifest["metadata"]["ownerReferences"]}
    )
