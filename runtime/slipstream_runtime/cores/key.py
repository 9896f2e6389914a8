"""One pass over a request's lines: its cache key, its partition, and what it asks of a cache. Pure; retains no credential, and of other
lines what those have in common that come again and again.

The key is a keyed hash over length-delimited fields, so no two requests that differ in one of them share it, and nobody outside the
process can search for a collision (`secret`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from slipstream_runtime.cores.directives import directives_of
from slipstream_runtime.cores.fields import Asked, HeaderField, Known
from slipstream_runtime.cores.identity import (
    CONDITIONAL,
    CONTROL,
    CREDENTIAL,
    FLAGS,
    KEYED,
    OVERRIDE,
    PARTITION,
    RANGE,
    VALIDATING,
    Interest,
)

KEY_BYTES: Final = 16
_PAST: Final = RANGE | CONDITIONAL | OVERRIDE
_TOLD: Final = CREDENTIAL | VALIDATING | CONTROL
NO_LIMIT: Final = -1
MAX_KNOWN: Final = 16  # sets of lines that come again and again, of one rule: as many as there are at a time, and some that were
_MARKER: Final = b"\xff\xff"  # never mixes with answers to requests without a credential
PARTITION_BITS: Final = (1 << 62) - 1  # as many as compiled code calculates with at once
_FEW: Final = 1024
_LENGTHS: Final = [size.to_bytes(4, "big") for size in range(_FEW)]
_METHODS: Final = {method: _LENGTHS[len(method)] + method for method in (b"GET", b"POST")}


class CacheRequest:
    """What one request asks of the cache. With `bypass` it goes past the cache, and the rest is meaningless."""

    __slots__ = ("asker", "bypass", "conditional", "credential", "fixed", "key", "limited", "max_age", "max_stale", "min_fresh",
                 "only_if_cached", "partition", "refresh")  # fmt: skip

    def __init__(self, key: bytes, partition: int, bypass: str = "") -> None:
        self.key = key
        self.partition = partition  # a hash, for generations; never an identity
        self.bypass = bypass  # why; a token for Cache-Status
        self.credential: bool = False  # it carries an identity that isn't part of the key
        self.conditional: bool = False  # it has If-None-Match or If-Modified-Since
        self.refresh: bool = False  # must be answered by the upstream; the answer may be stored
        self.only_if_cached: bool = False  # 504 rather than the upstream
        self.max_age: int = NO_LIMIT  # seconds; an older answer won't do
        self.limited: bool = False  # it sets max-age or min-fresh: ask Entry.satisfies
        self.min_fresh: int = 0  # seconds for which the answer must stay fresh
        self.max_stale: int = NO_LIMIT  # seconds after its time for which an answer will do
        self.asker: int = 0  # in Shadow: a hash of who asks
        self.fixed: bool = False  # the same for all heads with the same known lines


class Gathered:
    """What some lines are to one rule: parts of the key by number of a name, flags, the partition, whether some identity isn't empty.

    `more`: of names whose values differ, which of them matter, and how; what belongs to the key is between one part and the next."""

    __slots__ = ("flags", "identified", "more", "partition", "parts")

    def __init__(self, parts: list[bytes], flags: int, partition: int, identified: bool) -> None:
        self.parts = parts
        self.flags = flags
        self.partition = partition
        self.identified = identified
        self.more: list[tuple[int, int]] = []


class KeyReader:
    """Reads requests for one cache rule."""

    __slots__ = ("_base", "_by_name", "_known", "_nothing", "_numbers", "_prefix", "_rule", "_secret", "_whole_target", "interest")

    def __init__(self, identity: bytes, interest: Interest, whole_target: bool, secret: bytes) -> None:
        self.interest = interest
        self._by_name: dict[bytes, int] = interest.by_name
        self._nothing = Gathered([b""] * (len(interest.keyed) + 1), 0, 0, interest.shared)
        self._numbers: list[bytes] = [number.to_bytes(2, "big") for number in range(len(interest.keyed) + 1)]
        self._known: dict[Known, Gathered] = {}
        self._rule: Any = None  # the same as unread lines want it
        self._whole_target: bool = whole_target
        self._secret = secret
        self._prefix = b"%d:%b" % (len(identity), identity)
        self._base = hashlib.blake2b(self._prefix, digest_size=KEY_BYTES, key=secret)

    def read_head(self, method: bytes, target: bytes, head: Asked, has_body: bool) -> CacheRequest:
        """As `read`, of a head whose lines may be unread."""
        lines = head.lines
        if lines is None:
            known = head.known
            if known is None:
                return self.read(method, target, head.fields, has_body)
            found = self._known.get(known) or self._remember(known)
            if found.more:
                return self._request(method, target, self._fill(found, head.values), head, has_body)
            request = self._request(method, target, found, head, has_body)
            request.fixed = True
            return request
        if self._rule is None:
            self._rule = lines.rule(self._by_name, self._secret, self._prefix)
        flags, partition, named, key = lines.gather(self._rule, method, target if self._whole_target else target.partition(b"?")[0])
        identified = self.interest.shared or named
        if flags & _PAST or not identified or has_body:
            return CacheRequest(b"", partition, _reason(flags, identified, has_body))
        request = CacheRequest(key, partition)
        if flags & _TOLD:
            _told(request, flags, head.fields)
        return request

    def read(self, method: bytes, target: bytes, fields: Sequence[HeaderField], has_body: bool = False) -> CacheRequest:
        """What the request asks. `target` is path and query as they go upstream."""
        return self._request(method, target, self._gather(self._coded(fields), self._nothing), fields, has_body)

    def _coded(self, fields: Sequence[HeaderField]) -> list[tuple[int, bytes]]:
        """Those that matter: what they mean, and their values."""
        by_name = self._by_name
        return [(by_name[field.name], field.value) for field in fields if field.name in by_name]

    def _remember(self, known: Known) -> Gathered:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        found = self._known[known] = self._gather(self._coded(known.fields), self._nothing)
        by_name, parts = self._by_name, found.parts
        more = sorted((by_name[name] >> FLAGS, at, by_name[name]) for at, name in enumerate(known.names) if name in by_name)
        ends = [*(number for number, _, _ in more), len(parts)]  # none of these numbers is a fixed line's; what isn't keyed has none
        found.parts = [b"".join(parts[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
        found.more = [(at, code) for _, at, code in more]
        return found

    def _fill(self, known: Gathered, values: Sequence[bytes]) -> Gathered:
        """With the values that differ, which are of names that aren't known to occur otherwise."""
        flags, partition, identified = known.flags, known.partition, known.identified
        parts = [known.parts[0]]
        for number, (at, code) in enumerate(known.more, 1):
            flags |= code
            if code & KEYED:
                value = values[at].strip(b" \t")
                part = self._numbers[code >> FLAGS] + _length(value) + value
                parts.append(part)
                if code & PARTITION:
                    partition ^= hash(part) & PARTITION_BITS
                    if value:
                        identified = True
            parts.append(known.parts[number])
        return Gathered(parts, flags, partition, identified)

    def _gather(self, coded: list[tuple[int, bytes]], before: Gathered) -> Gathered:
        """What they are after what was there before. Absent adds nothing, empty does, repetitions keep their order."""
        parts, flags, partition, identified = before.parts.copy(), before.flags, before.partition, before.identified
        numbers = self._numbers
        for code, value in coded:
            flags |= code
            if code & KEYED:
                size = len(value)
                number = code >> FLAGS
                part = numbers[number] + (_LENGTHS[size] if size < _FEW else _length(value)) + value
                parts[number] += part
                if code & PARTITION:
                    partition ^= hash(part) & PARTITION_BITS  # in any order, as the key
                    if value:
                        identified = True
        return Gathered(parts, flags, partition, identified)

    def _request(self, method: bytes, target: bytes, found: Gathered, of: Asked | Sequence[HeaderField], has_body: bool) -> CacheRequest:
        flags, identified = found.flags, found.identified
        if flags & _PAST or not identified or has_body:
            return CacheRequest(b"", found.partition, _reason(flags, identified, has_body))
        if not self._whole_target:
            target = target.partition(b"?")[0]
        size = len(target)
        start = _METHODS.get(method) or _length(method) + method
        whole = (start, _LENGTHS[size] if size < _FEW else _length(target), target, *found.parts)
        hasher = self._base.copy()
        hasher.update(b"".join((*whole, _MARKER) if flags & CREDENTIAL else whole))
        request = CacheRequest(hasher.digest(), found.partition)
        if flags & _TOLD:
            _told(request, flags, of.fields if isinstance(of, Asked) else of)
        return request


def _told(request: CacheRequest, flags: int, fields: Sequence[HeaderField]) -> None:
    """What the request says beside whose and which it is."""
    request.credential = flags & CREDENTIAL != 0
    request.conditional = flags & VALIDATING != 0
    if flags & CONTROL:
        _control(request, fields)


def _length(value: bytes) -> bytes:
    """The length in four octets."""
    size = len(value)
    return _LENGTHS[size] if size < _FEW else size.to_bytes(4, "big")


def _reason(flags: int, identified: bool, has_body: bool) -> str:
    if not identified:
        return "no-identity"
    if has_body:
        return "body"
    if flags & RANGE:
        return "range"
    if flags & CONDITIONAL:
        return "conditional"
    return "method-override"


def _control(request: CacheRequest, fields: Sequence[HeaderField]) -> None:
    """What the request's own Cache-Control asks (RFC 9111 §5.2.1); Pragma counts only without one (§5.4)."""
    directives = directives_of(fields)
    if b"no-store" in directives:
        request.bypass = "no-store"
        return
    if directives.names:
        request.refresh = b"no-cache" in directives
    else:
        request.refresh = any(field.name == b"pragma" and b"no-cache" in field.value.lower() for field in fields)
    max_age = directives.seconds(b"max-age")
    request.max_age = NO_LIMIT if max_age is None else max_age
    request.refresh = request.refresh or max_age == 0
    request.min_fresh = directives.seconds(b"min-fresh") or 0
    request.limited = max_age is not None or request.min_fresh > 0
    request.max_stale = directives.limit(b"max-stale")
    request.only_if_cached = b"only-if-cached" in directives
