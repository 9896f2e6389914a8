"""Which header lines separate one caller's answers from another's, and which always separate two requests. Pure; reads no request.

A line named here is part of the key with every repetition, in order; absent and empty differ."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import CacheKey, Partition
from slipstream_runtime.cores.fields import CALLER, CREDENTIALS

# What one line means to the cache: flags, joined where a name has several roles.
KEYED: Final = 1  # part of the key
PARTITION: Final = 2  # part of the key, and an identity
CREDENTIAL: Final = 4  # an identity that isn't part of the key: RFC 9111 §3.5
CONTROL: Final = 8  # Cache-Control and Pragma
CONDITIONAL: Final = 16  # a precondition that only the upstream may answer (RFC 9111 §4.3.2)
RANGE: Final = 32
OVERRIDE: Final = 64  # may turn a GET into something else
VALIDATING: Final = 128  # a condition that a stored answer can answer
FLAGS: Final = 8  # bits; what is above them is the name's number

# Change what many servers answer and are seldom in Vary (cache poisoning by unkeyed input); constant for one workload, so keyed for all.
ALWAYS_KEYED: Final = (
    b"host",
    b"accept",
    b"accept-encoding",
    b"forwarded",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-scheme",
    b"x-forwarded-server",
    b"x-host",
    b"x-original-host",
    b"x-original-url",
    b"x-rewrite-url",
)
OVERRIDES: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")
PRECONDITIONS: Final = (b"if-match", b"if-unmodified-since")
CONDITIONS: Final = (b"if-none-match", b"if-modified-since")


def partition_names(partition: Partition) -> tuple[bytes, ...]:
    """The names of the lines that make up a caller's identity; empty for Shared."""
    if partition.type == "PerCaller":
        return CALLER
    if partition.type == "Header":
        return tuple(dict.fromkeys(name.strip().lower().encode("latin-1") for name in partition.headers))
    return ()


class Interest:
    """The lines that matter to one rule: by name, its flags and if keyed, its number from 1 (`flags | number << FLAGS`)."""

    __slots__ = ("by_name", "covered", "keyed", "partition", "shared")

    def __init__(self, partition: Partition, key: CacheKey) -> None:
        self.partition: tuple[bytes, ...] = partition_names(partition)
        self.shared: bool = partition.type == "Shared"
        named = tuple(name.strip().lower().encode("latin-1") for name in key.headers)
        # Under PerCaller a further credential separates callers too; otherwise it is the policy that names them.
        further = CREDENTIALS if partition.type == "PerCaller" else ()
        keyed = dict.fromkeys((*self.partition, *named, *ALWAYS_KEYED, *further))
        self.covered: frozenset[bytes] = frozenset(keyed)  # Vary may name these
        flags = dict.fromkeys(keyed, KEYED)
        for names, flag in ((self.partition, PARTITION), (PRECONDITIONS, CONDITIONAL), (CONDITIONS, VALIDATING), (OVERRIDES, OVERRIDE)):
            for name in names:
                flags[name] = flags.get(name, 0) | flag
        for name in CREDENTIALS:
            flags.setdefault(name, CREDENTIAL)
        for name, flag in ((b"cache-control", CONTROL), (b"pragma", CONTROL), (b"range", RANGE), (b"if-range", RANGE)):
            flags[name] = flags.get(name, 0) | flag
        numbers = {name: number for number, name in enumerate(keyed, 1)}
        self.by_name: dict[bytes, int] = {name: flag | numbers.get(name, 0) << FLAGS for name, flag in flags.items()}
        self.keyed: tuple[bytes, ...] = tuple(keyed)
