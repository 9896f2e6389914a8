"""Lets signed configurations and commands in: keys, audience, sequence, expiry. Keeps the sequence numbers; applies nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from slipstream_api.config import SCHEMA_VERSION, RuntimeConfig, decode
from slipstream_api.envelope import Head, Refused, load_keys, pod_audience, verify, workload_audience
from slipstream_api.sidecar import Bootstrap
from slipstream_runtime.control.commands import Command


class Gate:
    """The keys are those of the bootstrap and of the mounted file, so that either can bring a new one."""

    def __init__(self, bootstrap: Bootstrap) -> None:
        self._bootstrap_keys = load_keys(bootstrap.keys)
        self._keys: dict[str, Ed25519PublicKey] = dict(self._bootstrap_keys)
        self._workload = workload_audience(bootstrap.cluster, bootstrap.namespace, bootstrap.workload)
        self._pod = pod_audience(bootstrap.cluster, bootstrap.namespace, bootstrap.workload, bootstrap.pod)
        self._namespace = bootstrap.namespace
        self._name = bootstrap.workload
        self._sequences: dict[str, int] = {}

    def mounted_keys(self, keys: Mapping[str, str]) -> None:
        """The keys of the mounted ConfigMap, instead of those that it had before; raises Refused and keeps what there is."""
        self._keys = {**self._bootstrap_keys, **load_keys(keys)}

    def config(self, envelope: bytes, now: float) -> tuple[RuntimeConfig, Head]:
        """The configuration in `envelope`; raises Refused. The sequence counts as used once `accept` is called."""
        payload, head = verify(envelope, self._keys, (self._workload,), self._sequences, now)
        if head.kind != "Config":
            raise Refused("Malformed", f"a {head.kind} where a Config belongs")
        config = decode_config(payload)
        if (config.namespace, config.workload) != (self._namespace, self._name):
            raise Refused("WrongAudience", f"the configuration of {config.namespace}/{config.workload}")
        return config, head

    def command(self, envelope: bytes, now: float) -> tuple[Command, Head]:
        """The command in `envelope`; raises Refused. A command's sequence is used up at once: it is never carried out twice."""
        payload, head = verify(envelope, self._keys, (self._pod,), self._sequences, now)
        if head.kind != "Command":
            raise Refused("Malformed", f"a {head.kind} where a Command belongs")
        self.accept(head)
        return decode_command(payload), head

    def accept(self, head: Head) -> None:
        self._sequences[head.kind] = head.sequence

    @property
    def sequence(self) -> int:
        """Of the last configuration that was accepted."""
        return self._sequences.get("Config", 0)


def decode_config(payload: bytes) -> RuntimeConfig:
    """The configuration in `payload`; raises Refused, with the path of what isn't understood."""
    try:
        version = msgspec.json.decode(payload, type=_Version).schema_version
    except msgspec.DecodeError as error:
        raise Refused("Malformed", f"not a configuration: {error}") from None
    if version != SCHEMA_VERSION:
        raise Refused("UnsupportedSchema", f"schema version {version}: this sidecar understands {SCHEMA_VERSION}")
    try:
        return decode(payload)
    except msgspec.DecodeError as error:
        raise Refused("Invalid", str(error)) from None


def decode_command(payload: bytes) -> Command:
    """The command in `payload`; raises Refused."""
    try:
        return msgspec.json.decode(payload, type=Command)
    except msgspec.DecodeError as error:
        raise Refused("Malformed", f"not a command: {error}") from None


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int = SCHEMA_VERSION
