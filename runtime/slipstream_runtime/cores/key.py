"""One pass over a request's lines: its cache key, its partition, and what it asks of a cache. Pure; retains no credential, and of other
lines what those have in common that come again and again.

The key is a keyed hash over length-delimited fields, so no two requests that differ in one of them share it, and nobody outside the
process can search for a collision (`secret`). What doesn't depend on a request is prepared: this is on the way of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from slipstream_runtime.cores.directives import directives_of
from slipstream_runtime.cores.fields import Asked, HeaderField, Known, Lines
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
SECRET_BYTES: Final = 32  # of a process, and of each rule (blake2b's key, at most 64)
_PAST: Final = RANGE | CONDITIONAL | OVERRIDE
_TOLD: Final = CREDENTIAL | VALIDATING | CONTROL
NO_LIMIT: Final = -1
MAX_KNOWN: Final = 16  # sets of lines that come again and again, of one rule: as many as there are at a time, and some that were
_START: Final = b"\0"  # of what is hashed: with it the secret's own block is done with, once for all requests
_MARKER: Final = b"\xff\xff"  # never mixes with answers to requests without a credential
PARTITION_BITS: Final = (1 << 62) - 1  # as many as compiled code calculates with at once
_FEW: Final = 1024
_LENGTHS: Final = [size.to_bytes(4, "big") for size in range(_FEW)]
_GET: Final = b"GET"


class Bounds:
    """Which answers will do, where a request says so; nobody changes one."""

    __slots__ = ("max_age", "max_stale", "min_fresh")

    def __init__(self, max_age: int = NO_LIMIT, min_fresh: int = 0, max_stale: int = NO_LIMIT) -> None:
        self.max_age = max_age  # seconds; an older answer won't do
        self.min_fresh = min_fresh  # seconds for which the answer must stay fresh
        self.max_stale = max_stale  # seconds after its time for which an answer will do


UNBOUNDED: Final = Bounds()


class CacheRequest:
    """What one request asks of the cache. With `bypass` it goes past the cache, and the rest is meaningless. There is one for each request,
    so what few say is apart."""

    __slots__ = ("asker", "bounds", "bypass", "conditional", "credential", "fixed", "key", "only_if_cached", "partition", "refresh")

    def __init__(self, key: bytes, partition: int, bypass: str = "") -> None:
        self.key = key
        self.partition = partition  # a hash, for generations; never an identity
        self.bypass = bypass  # why; a token for Cache-Status
        self.credential: bool = False  # it carries an identity that isn't part of the key
        self.conditional: bool = False  # it has If-None-Match or If-Modified-Since
        self.refresh: bool = False  # must be answered by the upstream; the answer may be stored
        self.only_if_cached: bool = False  # 504 rather than the upstream
        self.bounds: Bounds = UNBOUNDED
        self.asker: int = 0  # in Shadow: a hash of who asks
        self.fixed: bool = False  # the same for all heads with the same known lines


class Gathered:
    """What some lines are to one rule: parts of the key by number of a name, flags, the partition, whether some identity isn't empty."""

    __slots__ = ("flags", "identified", "partition", "parts")

    def __init__(self, parts: list[bytes], flags: int, partition: int, identified: bool) -> None:
        self.parts = parts
        self.flags = flags
        self.partition = partition
        self.identified = identified


class Usual:
    """The same of lines that come again and again, with others of which only the values differ: all that doesn't depend on these."""

    __slots__ = ("fixed", "flags", "identified", "keyed", "partition", "passes", "told", "whole")

    def __init__(self, known: Gathered, others: list[tuple[int, int, int]]) -> None:
        """`others`: those that matter, by number, each with its place among the values and what it means."""
        parts = known.parts
        self.flags = known.flags
        self.partition = known.partition
        self.identified = known.identified
        self.whole = [b"", b""]  # what is hashed, where b"" stands for what isn't known yet: length of the target, target, parts of the key
        self.keyed: list[tuple[int, int, bytes, bool]] = []  # where the value is, where it goes, its number, it is an identity
        start = 0
        for number, at, code in others:  # none of these numbers is a fixed line's; what isn't keyed has none
            self.flags |= code
            if code & KEYED:
                self.whole += (b"".join(parts[start:number]), b"")
                self.keyed.append((at, len(self.whole) - 1, number.to_bytes(2, "big"), code & PARTITION != 0))
                start = number
        self.whole.append(b"".join(parts[start:]) + (_MARKER if self.flags & CREDENTIAL else b""))
        self.fixed = not others
        self.passes: bool = self.flags & _PAST != 0
        self.told: bool = self.flags & _TOLD != 0 or self.fixed  # there is more to say than whose and which it is


class KeyReader:
    """Reads requests for one cache rule."""

    __slots__ = ("_base", "_by_name", "_get", "_known", "_rule", "_secret", "_whole_target", "interest")

    def __init__(self, identity: bytes, interest: Interest, whole_target: bool, secret: bytes) -> None:
        self.interest = interest
        self._by_name: dict[bytes, int] = interest.by_name
        self._known: dict[Known, Usual] = {}
        self._rule: Any = None  # the same as unread lines want it
        self._whole_target: bool = whole_target
        # Of the rule alone, so that what is hashed for a request needn't begin with the rule.
        self._secret: bytes = hashlib.blake2b(identity, digest_size=SECRET_BYTES, key=secret).digest()
        self._base = hashlib.blake2b(_START, digest_size=KEY_BYTES, key=self._secret)
        self._get = self._begun(_GET)

    def read_head(self, method: bytes, target: bytes, head: Asked, has_body: bool) -> CacheRequest:
        """As `read`, of a head whose lines may be unread."""
        known = head.known
        if known is None:
            if head.lines is None:
                return self.read(method, target, head.fields, has_body)
            return self._unread(method, target, head, head.lines, has_body)
        try:
            usual = self._known[known]
        except KeyError:
            usual = self._remember(known)
        partition, identified = usual.partition, usual.identified  # as `_gather` from here, with no object and no call for a value
        values, whole = head.values, usual.whole.copy()
        for at, place, number, own in usual.keyed:
            value = values[at].strip()
            size = len(value)
            part = whole[place] = number + (_LENGTHS[size] if size < _FEW else _length(value)) + value
            if own:
                partition ^= hash(part)
                if value:
                    identified = True
        if usual.passes or has_body or not identified:
            request = CacheRequest(b"", partition & PARTITION_BITS, _reason(usual.flags, identified, has_body))
            request.fixed = usual.fixed
            return request
        if not self._whole_target:
            target = target.partition(b"?")[0]
        size = len(target)
        whole[0] = _LENGTHS[size] if size < _FEW else _length(target)
        whole[1] = target
        hasher = self._get.copy() if method == _GET else self._begun(method)
        hasher.update(b"".join(whole))
        request = CacheRequest(hasher.digest(), partition & PARTITION_BITS)
        if usual.told:
            if usual.flags & _TOLD:
                _told(request, usual.flags, head.fields)
            request.fixed = usual.fixed
        return request

    def _unread(self, method: bytes, target: bytes, head: Asked, lines: Lines, has_body: bool) -> CacheRequest:
        """As `read`, by who scanned them."""
        if self._rule is None:
            self._rule = lines.rule(self._by_name, self._secret, _START)
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
        found = self._gather(fields)
        flags, identified = found.flags, found.identified
        if flags & _PAST or not identified or has_body:
            return CacheRequest(b"", found.partition, _reason(flags, identified, has_body))
        if not self._whole_target:
            target = target.partition(b"?")[0]
        hasher = self._begun(method)
        hasher.update(b"".join((_length(target), target, *found.parts, _MARKER if flags & CREDENTIAL else b"")))
        request = CacheRequest(hasher.digest(), found.partition)
        if flags & _TOLD:
            _told(request, flags, fields)
        return request

    def _gather(self, fields: Sequence[HeaderField]) -> Gathered:
        """Absent adds nothing, empty does, repetitions keep their order."""
        parts = [b""] * (len(self.interest.keyed) + 1)
        flags, partition, identified, by_name = 0, 0, self.interest.shared, self._by_name
        for field in fields:
            code = by_name.get(field.name, 0)
            flags |= code
            if code & KEYED:
                number = code >> FLAGS
                part = number.to_bytes(2, "big") + _length(field.value) + field.value
                parts[number] += part
                if code & PARTITION:
                    partition ^= hash(part) & PARTITION_BITS  # in any order, as the key
                    if field.value:
                        identified = True
        return Gathered(parts, flags, partition, identified)

    def _remember(self, known: Known) -> Usual:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        by_name = self._by_name
        others = sorted((by_name[name] >> FLAGS, at, by_name[name]) for at, name in enumerate(known.names) if name in by_name)
        usual = self._known[known] = Usual(self._gather(known.fields), others)
        return usual

    def _begun(self, method: bytes) -> Any:
        """The hash of a key, to be told all but the method."""
        hasher = self._base.copy()
        hasher.update(_length(method) + method)
        return hasher


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
    request.refresh = request.refresh or max_age == 0
    request.only_if_cached = b"only-if-cached" in directives
    oldest = NO_LIMIT if max_age is None else max_age
    request.bounds = Bounds(oldest, directives.seconds(b"min-fresh") or 0, directives.limit(b"max-stale"))
