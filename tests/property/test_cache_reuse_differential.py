"""What is done with stored answers against another reading of RFC 9111: hishel's state machine, over sequences of reads, writes and time.

Where we serve, it serves the same; what we ask the upstream, it asks; a 304 makes of it what it makes of it; what it ends, we end. Where
only one of the two would, the reason is one of those that were decided."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hishel._core._spec import FromCache

from slipstream_api.config import CacheKey, Partition
from slipstream_runtime.cores import reuse as reusing
from slipstream_runtime.cores import validators
from slipstream_runtime.cores.directives import Directives
from slipstream_runtime.cores.fields import HeaderField, PlainField
from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.generations import Generations, path_scope
from slipstream_runtime.cores.key import CacheRequest, KeyReader
from slipstream_runtime.cores.store import Entry
from tests.fakes.cores import Cached, a_cache_rule
from tests.fakes.second_cache import Fields, SecondCache, age_told, asked_about, date

RUNS, STEPS = 300, 40
ASKED = (
    "no-cache", "max-age=0", "max-age=10", "max-age=40", "min-fresh=5", "min-fresh=50", "max-stale", "max-stale=10", "max-stale=100",
    "max-age=40, max-stale=20", "min-fresh=5, max-stale", "unknown=1",
)  # fmt: skip
TOLD = (
    "max-age=60", "max-age=20", "max-age=60, must-revalidate", "s-maxage=30", "max-age=60, proxy-revalidate", "public, max-age=5",
    "max-age=20, stale-while-revalidate=15", "max-age=20, must-revalidate, stale-while-revalidate=15",
)  # fmt: skip
VARIED = ("Accept-Language", "accept-language", "Origin", "")
LANGUAGES = ("en", "de", "")
# What a 304 says that isn't about the stored answer as such: told anew by whoever sends it.
OF_THE_MESSAGE = frozenset(("age", "via"))
# Reasons for which one of the two serves and the other doesn't. All but the first two: we are stricter.
DECIDED = frozenset(
    (
        "stale: asked for",  # RFC 9111 §5.2.1.2, hishel reads no max-stale
        "stale: granted",  # RFC 5861 §3, hishel knows a setting instead
        "limits of the request",  # max-age and min-fresh of a request (§5.2.1), hishel reads neither; max-age=0 always asks the upstream
        "keyed",  # what is in the key parts answers whether the upstream varies by it or not
        "write-failed",  # the upstream may have carried it out
        "weak",  # a 304 with a weak tag of another version is about something else
    )
)


class Play:
    """One cache of each kind through one sequence; `reasons` for which they differed, by what was decided."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        rule = a_cache_rule(ttl_ms=3_600_000, partition=Partition(type="Shared"), key=CacheKey(headers=("Accept-Language",)))
        self.cached = Cached(rule)
        self.second = SecondCache()
        self.version = 1
        self.reasons: set[str] = set()
        self.seen: set[str] = set()

    @property
    def now(self) -> int:
        return self.second.now

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.1:
            self.write()
        elif chance < 0.2:
            self.version += 1
        elif chance < 0.5:
            self.second.now += self.random.choice((1, 4, 5, 9, 15, 19, 20, 30, 60))
        else:
            self.read()

    # -- reads ------------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        language, control = self.random.choice(LANGUAGES), self.random.choice((*ASKED, *[""] * len(ASKED)))
        asked = [(name, value) for name, value in (("Accept-Language", language), ("Cache-Control", control)) if value]
        plan, store = self.cached.plan, self.cached.store
        request = plan.reader.read(b"GET", b"/recall", [PlainField(name.lower().encode(), value.encode()) for name, value in asked])
        entry = store.get_stale(request.key, plan, self.now)
        if entry is None:
            self.compare_missing(request.key, asked)
            self.fetched(request, asked)
            return
        decision = reusing.reuse(entry, request, self.now)
        state = self.compare_stored(entry, request, asked, decision)
        if decision != reusing.SERVE and decision != reusing.STALE:
            self.revalidated(entry, request, asked, state)

    def compare_missing(self, key: bytes, asked: Fields) -> None:
        """We have nothing for this request."""
        own = self.second.held.pop(key, None)
        assert own is None or not isinstance(self.second.decides(asked, [own]), FromCache), ("only it still has", asked, own)
        state = self.second.decides(asked, list(self.second.held.values()))
        if isinstance(state, FromCache):  # another key's
            assert "vary" not in state.entry.response.headers, ("only it selects", asked, state.entry)
            self.reasons.add("keyed")

    def compare_stored(self, entry: Entry, request: CacheRequest, asked: Fields, decision: int) -> Any:
        """We have an answer; it is told of no other."""
        own = [self.second.held[request.key]]
        state = self.second.decides(asked, own)
        served = isinstance(state, FromCache)
        if decision == reusing.SERVE:
            assert served, ("only we serve", asked, own)
            assert age_told(state) == int(entry.age_at(self.now))
        elif decision in (reusing.REFRESH, reusing.STALE):
            assert isinstance(self.second.decides(asked, own, stale=True), FromCache), ("only we serve what is stale", asked, own)
            self.check_stale(own[0].response.headers["cache-control"], entry, request, decision)
        elif served:
            late, old = self.now - entry.expires, entry.age_at(self.now)
            least, most = request.bounds.min_fresh, request.bounds.max_age
            assert least > 0 or most >= 0, ("only it serves", asked, own)
            assert most == 0 or 0 < most < old or -late <= least, ("only it serves", asked, own)
            self.reasons.add("limits of the request")
        return state

    def check_stale(self, control: str, entry: Entry, request: CacheRequest, decision: int) -> None:
        """By the RFCs themselves: hishel has no opinion on how late is too late."""
        late = self.now - entry.expires
        assert late >= 0
        assert not request.refresh
        assert request.bounds.max_age < 0 or entry.age_at(self.now) <= request.bounds.max_age
        assert "revalidate" not in control.replace("stale-while-revalidate", "")
        assert "s-maxage" not in control
        if decision == reusing.STALE:
            assert late <= request.bounds.max_stale
            self.reasons.add("stale: asked for")
        else:
            assert late < 15
            self.reasons.add("stale: granted")

    # -- the upstream -----------------------------------------------------------------------------------------------------

    def fetched(self, request: CacheRequest, asked: Fields) -> None:
        """A whole answer of the present version."""
        told = [("Date", date(self.now)), ("Cache-Control", self.random.choice(TOLD)), ("Content-Type", "text/plain"), ("X-Note", "first")]
        told += [("ETag", self.random.choice(("", "W/")) + f'"{self.version}"')] if self.random.random() < 0.7 else []
        told += [("Last-Modified", date(-100 + self.version))] if self.random.random() < 0.5 else []
        varied = self.random.choice(VARIED)
        told += [("Vary", varied)] if varied else []
        self.stored(request, asked, told)

    def stored(self, request: CacheRequest, asked: Fields, told: Fields) -> None:
        cached, key = self.cached, request.key
        snapshot = cached.cache.generations.capture(cached.plan.tags, request.partition, path_scope("/recall"))
        storing = judge(cached.plan, request, 200, [HeaderField(n.lower().encode(), v.encode()) for n, v in told], self.now)
        head = b"\r\n".join([b"HTTP/1.1 200 OK", *[f"{name}: {value}".encode() for name, value in told]])
        if not cached.store.put(key, cached.plan, snapshot, storing, 200, head, b"", self.now):
            self.second.hold(key, asked, told)

    def revalidated(self, entry: Entry, request: CacheRequest, asked: Fields, state: Any) -> None:
        """The upstream is asked about what is stored, by both in the same words, and says 304 or sends it anew."""
        ours = dict(line.split(": ", 1) for line in validators.conditions(entry.head).decode().lower().split("\r\n")[1:])
        if isinstance(state, FromCache):  # for a reason that was noted
            state = self.second.decides([("Cache-Control", "no-cache")], [self.second.held[request.key]])
        assert ours == {name: value.lower() for name, value in asked_about(state).items()}, asked
        if not ours or self.random.random() < 0.3:
            self.fetched(request, asked)
            return
        told = self.confirmation(entry)
        fields = [HeaderField(name.lower().encode(), value.encode()) for name, value in told]
        theirs = self.second.merges(state, told)
        if not validators.confirms(entry.head, fields):
            if theirs is not None:
                assert dict(told).get("ETag", "").startswith("W/"), ("only it takes the 304", told, entry.head)
                self.reasons.add("weak")
            self.seen.add("not confirmed")
            return
        assert theirs is not None, ("only we take the 304", told, entry.head)
        merged = [(field.name.decode(), field.value.decode()) for field in validators.fields_of(validators.merged(entry.head, fields))]
        assert dict(merged) == {name: value for name, value in theirs.items() if name not in OF_THE_MESSAGE}, (told, entry.head)
        self.seen.add("merged")
        self.stored(request, asked, [(name.title(), value) for name, value in merged])

    def confirmation(self, entry: Entry) -> Fields:
        """The fields of a 304: about what is stored, or about something else."""
        held = {field.name: field.value.decode() for field in validators.fields_of(entry.head)}
        told = [
            ("Date", date(self.now)),
            ("Cache-Control", self.random.choice(TOLD)),
            ("X-Note", str(self.now)),
            ("Via", "1.1 x"),
            ("Age", "3"),
        ]
        told += [("Content-Type", "text/html"), ("Content-Length", "0")] if self.random.random() < 0.5 else []
        tag, other = held.get(b"etag", '"1"').removeprefix("W/"), '"another"'
        tags = ["", tag, tag, other, "W/" + tag, "W/" + other] if b"etag" in held else [""]
        chosen = self.random.choice(tags)
        told += [("ETag", chosen)] if chosen else []
        modified = self.random.choice(["", held.get(b"last-modified", ""), date(-5_000)] if not chosen else [""])
        return [*told, ("Last-Modified", modified)] if modified else told

    # -- writes -----------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        status = self.random.choice((200, 201, 204, 302, 400, 409, 500, 503))
        ends = self.second.ended_by(status)
        write = self.cached.cache.generations.begin_write((), "/recall")
        self.version += status < 400
        write.end()
        left = {key: self.cached.store.get_stale(key, self.cached.plan, self.now) for key in self.second.held}
        for key, entry in left.items():
            assert self.second.held[key].id not in ends or entry is None, "only it ends"
            if entry is None and self.second.held[key].id not in ends:
                self.reasons.add("write-failed")
        self.second.held = {key: held for key, held in self.second.held.items() if left[key] is not None}


def run(runs: int) -> tuple[set[str], set[str]]:
    reasons: set[str] = set()
    seen: set[str] = set()
    for seed in range(runs):
        play = Play(seed)
        with play.second.clock():
            for _ in range(STEPS):
                play.step()
        reasons |= play.reasons
        seen |= play.seen
    return reasons, seen


def test_another_cache_makes_the_same_of_what_is_stored_or_differs_for_a_known_reason() -> None:
    """Each reason occurs, so that the list is no longer than needed."""
    assert run(RUNS) == (DECIDED, {"merged", "not confirmed"})


class _NoWrite:
    def end(self) -> None:
        """It ended nothing."""


def _deaf_to_languages(self: KeyReader, method: bytes, target: bytes, fields: Any, *rest: Any) -> CacheRequest:
    return READ(self, method, target, [field for field in fields if field.name != b"accept-language"], *rest)


def _by_tag_alone(head: bytes, fields: list[HeaderField]) -> bool:
    named = validators.value_of(fields, b"etag")
    return not named or validators.opaque(named) == validators.opaque(validators.value_of(validators.fields_of(head), b"etag"))


READ = KeyReader.read
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "serves whatever it has": (reusing, "reuse", lambda entry, request, now: reusing.SERVE),
    "asks about whatever it has": (reusing, "reuse", lambda entry, request, now: reusing.VALIDATE),
    "serves a second too long": (reusing, "reuse", lambda entry, request, now, real=reusing.reuse: real(entry, request, now - 1)),
    "stale whatever the upstream says": (Directives, "__contains__", lambda self, name: False),
    "one key for all languages": (KeyReader, "read", _deaf_to_languages),
    "any 304 confirms": (validators, "confirms", lambda head, fields: True),
    "a 304 without a tag confirms": (validators, "confirms", _by_tag_alone),
    "a 304 says how to read the body": (validators, "_OF_THE_BODY", frozenset()),
    "a 304 changes nothing": (validators, "merged", lambda head, fields: head),
    "asks about nothing": (validators, "conditions", lambda head: b""),
    "a write ends nothing": (Generations, "begin_write", lambda self, tags, path: _NoWrite()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_reading_than_both_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls: what one of the comparisons must see."""
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises(AssertionError):
        run(RUNS)
