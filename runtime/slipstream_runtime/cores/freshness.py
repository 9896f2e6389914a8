"""May this answer be stored, and for how long: RFC 9111, conservative. Pure; reads heads, the caller adds that the body is complete.

The rule's TTL is the most; upstream directives (Honor) can only shorten it or forbid. `private` may be stored where the partition
holds every identity the request showed, because the partition then is that caller's private cache; never under Shared. Ignore
disregards Cache-Control, Expires and Age, but never Vary and Set-Cookie: those say what the answer is, not how long it lasts.
An answer that may only be used once the upstream has confirmed it (`no-cache`, `max-age=0`) is kept where it has a validator to ask with,
and the partition holds every identity; such a one has no life, and is shared with nobody who didn't ask the upstream for itself.
Only 200 is stored, and where the rule says so 404 and 410: other statuses are either errors, partial, or rare enough not to be worth
a wrong answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from slipstream_runtime.cores.directives import Directives, delta_seconds, directives_of, http_date
from slipstream_runtime.cores.fields import HeaderField, split_list
from slipstream_runtime.cores.grace import NONE, Grace
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan

_WHAT_IT_IS: Final = frozenset((b"vary", b"set-cookie", b"content-range"))
_HOW_LONG: Final = frozenset((b"cache-control", b"expires", b"age", b"date"))
_VALIDATORS: Final = frozenset((b"etag", b"last-modified"))
NEGATIVE: Final = frozenset((404, 410))  # "there is no such thing": an answer like any other, but of a time of its own


class Storing:
    """The judgement on one answer: with `detail` it isn't stored, and `detail` says why (a token for Cache-Status). Then the rest is
    meaningless, and nobody changes it: there is one refusal for each reason."""

    __slots__ = ("age", "asker", "confirm", "detail", "grace", "received", "ttl")

    def __init__(self, detail: str, received: float, ttl: float = 0.0, age: float = 0.0, grace: Grace = NONE, asker: int = 0) -> None:
        self.detail = detail
        self.received = received  # when the head came
        self.ttl = ttl  # seconds from `received`, jitter included
        self.age = age  # how old it was when it came
        self.grace = grace  # what it may be used for after `ttl`
        self.confirm: bool = False  # it is stored without a life: the upstream is asked before each use
        self.asker = asker  # in Shadow: a hash of who asked, never an identity


_NONE: Final = Storing("", 0.0)


class Told:
    """What an answer's lines say of storing it; made once for all answers that say the same. So is the judgement, where they forbid it."""

    __slots__ = ("directives", "governed", "lines", "refusal", "refused", "silent", "validator", "what")

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self.lines: list[HeaderField] = []  # how long it lives
        self.governed = False  # they say more than the date; those of most answers don't
        self.validator = False
        self.what: list[HeaderField] = []  # that it isn't an answer like others
        for field in fields:
            name = field.name
            if name in _HOW_LONG:
                self.lines.append(field)
                self.governed = self.governed or name != b"date"
            elif name in _VALIDATORS:
                self.validator = True
            elif name in _WHAT_IT_IS:
                self.what.append(field)
        self.directives: Directives = directives_of(self.lines)
        self.silent = not (self.governed or self.what)  # nothing that may forbid it
        self.refused: int = 0  # what `refusal` was for, the last time that there was one
        self.refusal: Storing = _NONE


NOTHING: Final = Told(())
_refusals: Final[dict[str, Storing]] = {}  # by reason, of which there are few


def _refused(detail: str) -> Storing:
    """The one of this reason."""
    refusal = _refusals.get(detail)
    if refusal is None:
        refusal = _refusals[detail] = Storing(detail, 0.0)
    return refusal


def judge(
    plan: CachePlan, request: CacheRequest, status: int, fields: Told | Sequence[HeaderField], now: float, delay: float = 0.0
) -> Storing:
    """Whether an answer (head received at `now`, `delay` seconds after the request was sent) may be stored under `plan`."""
    if request.bypass:
        return _refused(request.bypass)
    negative = status != 200
    if negative and not (status in NEGATIVE and plan.negative_ttl > 0.0):
        return _refused("status")
    if delay < plan.min_latency:
        return _refused("fast")
    told = fields if isinstance(fields, Told) else Told(fields)
    credential, validator = request.credential, told.validator
    confirmable = validator and not (negative or credential)
    if credential or not told.silent:
        asked = plan.number + (2 if negative else 0) + (1 if credential else 0)  # all that the lines' refusal depends on
        if told.refused == asked:
            return told.refusal
        why = _refuses(plan, told, credential, confirmable)
        if why:
            told.refused, told.refusal = asked, _refused(why)
            return told.refusal
    ttl = plan.negative_ttl if negative else plan.ttl
    if plan.jitter:
        ttl *= 1.0 - plan.jitter * plan.cache.random()  # shorter only: neither policy nor upstream allowed more
    storing = Storing("", now, ttl, delay, plan.grace.kept if validator else plan.grace.plain, request.asker)
    if plan.honor and told.governed:
        _honour(plan, told.directives, told.lines, storing, validator, confirmable)
    if negative:
        storing.grace = NONE  # "not found" stands in for nothing
    return storing


def _refuses(plan: CachePlan, told: Told, credential: bool, confirmable: bool) -> str:
    """Why the lines alone forbid storing it, empty where they don't."""
    for field in told.what:
        if field.name != b"vary" or not plan.interest.covered.issuperset(split_list(field.value)):
            return field.name.decode("ascii")
    return _forbidden(told.directives, plan.interest.shared, credential, confirmable) if plan.honor else ""


def _honour(
    plan: CachePlan, directives: Directives, fields: list[HeaderField], storing: Storing, validator: bool, confirmable: bool
) -> None:
    """How long and for what, of an answer that may be stored; `confirmable`: it may be without a life, too."""
    storing.age += _age(fields)
    lifetime = _lifetime(directives, fields, plan.interest.shared)
    if lifetime is not None:
        storing.ttl = min(storing.ttl, lifetime - storing.age)
    if b"no-cache" in directives:
        storing.ttl = min(storing.ttl, 0.0)
    if storing.ttl > 0:
        storing.grace = plan.grace.granted(directives, validator)
    elif confirmable:
        storing.confirm = True
        storing.grace = plan.grace.confirmed(directives)
        if storing.grace.strict:
            storing.ttl = 0.0  # how long ago its time was over doesn't matter
    else:
        storing.detail = "expired"


def _forbidden(directives: Directives, shared: bool, credential: bool, confirmable: bool) -> str:
    """Why the upstream forbids storing, empty where it doesn't; `confirmable`: what may be used only once it is confirmed is kept. Field
    lists of `private` and `no-cache` count as the whole answer."""
    names = directives.names
    if not names:
        return "credential" if credential else ""
    if b"no-store" in names:
        return "no-store"
    if b"no-cache" in names and not confirmable:
        return "no-cache"
    if b"private" in names and (shared or credential):
        return "private"
    if credential and not (b"public" in names or b"s-maxage" in names or b"must-revalidate" in names):
        return "credential"  # RFC 9111 §3.5
    return ""


def _lifetime(directives: Directives, fields: list[HeaderField], shared: bool) -> int | None:
    """The upstream's freshness lifetime, None where it gives none (RFC 9111 §4.2.1)."""
    for_shared = directives.seconds(b"s-maxage")
    for_all = directives.seconds(b"max-age")
    if for_shared is not None:
        return for_shared if shared or for_all is None else min(for_shared, for_all)
    if for_all is not None:
        return for_all
    expires = [http_date(field.value) for field in fields if field.name == b"expires"]
    if not expires:
        return None
    dates = [http_date(field.value) for field in fields if field.name == b"date"]
    if len(dates) != 1 or dates[0] is None:
        return 0  # without a Date there is nothing to count from but a wall clock, which we don't trust
    return min(0 if moment is None else moment - dates[0] for moment in expires)


def _age(fields: list[HeaderField]) -> float:
    """How old the answer says it is; the largest of what can be read."""
    age = 0
    for field in fields:
        if field.name == b"age":
            age = max(age, delta_seconds(field.value))
    return float(age)
