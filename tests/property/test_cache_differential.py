"""What may be stored, and for how long, against another reading of RFC 9111: hishel's state machine, as a shared cache.

Where it says no, so do we; where both store, we never keep longer. Where only we say no, the reason is one in which we chose to be
strict."""

from __future__ import annotations

from random import Random

import pytest
from hishel._core._headers import Headers
from hishel._core._spec import CacheMiss, CouldNotBeStored, get_freshness_lifetime
from hishel._core.models import Request, Response

from slipstream_api.config import Partition
from slipstream_runtime.cores import freshness
from slipstream_runtime.cores.directives import directives_of
from slipstream_runtime.cores.fields import PlainField
from slipstream_runtime.cores.freshness import Storing, judge
from tests.fakes.cores import Cached, a_cache_rule

CASES = 20_000
TTL = 3_600.0
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
DIRECTIVES = (
    "public", "private", "no-store", "no-cache", "max-age=60", "max-age=0", "s-maxage=30", "s-maxage=0", "must-revalidate",
    "proxy-revalidate", "immutable", "no-transform", "stale-while-revalidate=5", "max-age=nonsense", "unknown=1",
)  # fmt: skip
OTHERS = (
    ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("Expires", "0"), ("Date", DATE), ("Age", "20"), ("Age", "100"), ("Set-Cookie", "a=b"),
    ("Vary", "*"), ("Vary", "Accept"), ("Vary", "Origin"), ("ETag", '"a"'), ("Last-Modified", DATE),
)  # fmt: skip
STATUSES = (200, 200, 200, 200, 203, 204, 206, 301, 302, 404, 410, 500, 503)
# What we refuse and RFC 9111 allows: it would need another key, another use, or isn't worth a wrong answer.
STRICTER = frozenset(("status", "set-cookie", "vary", "no-cache", "expired"))


class Case:
    def __init__(self, random: Random) -> None:
        self.status = random.choice(STATUSES)
        self.authorized = random.random() < 0.3
        said = random.sample(DIRECTIVES, random.choice((0, 1, 1, 2, 3)))
        self.fields = [("Cache-Control", ", ".join(said))] if said else []
        chosen = dict(random.sample(OTHERS, random.choice((0, 0, 1, 2, 3))))
        self.fields += list(chosen.items())

    def ours(self) -> Storing:
        cached = Cached(a_cache_rule(ttl_ms=int(TTL * 1_000), partition=Partition(type="Shared")))
        asked = [PlainField(b"authorization", b"x")] if self.authorized else []
        request = cached.plan.reader.read(b"GET", b"/recall", asked)
        return judge(cached.plan, request, self.status, [PlainField(n.encode(), v.encode()) for n, v in self.fields], 100.0)

    def theirs(self) -> tuple[bool, Response]:
        headers = Headers({"Authorization": "x"} if self.authorized else {})
        response = Response(self.status, Headers(dict(self.fields)))
        state = CacheMiss(
            request=Request("GET", "https://a/recall", headers),
            options={"shared": True, "supported_methods": ["GET", "HEAD"], "allow_stale": False},
        )
        return not isinstance(state.next(response), CouldNotBeStored), response

    def __repr__(self) -> str:
        return f"{self.status} {self.fields} authorized={self.authorized}"


def explicit(case: Case) -> bool:
    """The answer says itself how long it lives, in a way that both read."""
    text = str(dict(case.fields))
    return ("max-age=" in text and "nonsense" not in text) or "s-maxage=" in text or "'Expires': 'Sun" in text


def compare(case: Case) -> str:
    """The reason why only we refuse; empty otherwise."""
    ours = case.ours()
    stored, response = case.theirs()
    if not stored:
        assert ours.detail, f"only we store {case}"
        return ""
    if ours.detail:
        return ours.detail
    lifetime = get_freshness_lifetime(response, True)
    if explicit(case) and lifetime is not None:
        age = int(dict(case.fields).get("Age", "0"))
        assert ours.ttl <= max(0, lifetime - age), f"longer than {lifetime} - {age}: {ours.ttl} for {case}"
    if ours.confirm or "no-cache" in str(dict(case.fields)):
        assert ours.confirm, f"not known to need confirming: {case}"
        assert ours.ttl <= 0, f"of use without being confirmed: {case}"
    return ""


def run(cases: int) -> set[str]:
    random = Random(0)
    return {compare(Case(random)) for _ in range(cases)} - {""}


def test_another_cache_agrees_or_is_more_lenient_for_a_known_reason() -> None:
    """Each reason occurs, so that the list is no longer than needed; and so do answers that both keep to be confirmed."""
    assert run(CASES) == STRICTER
    random = Random(0)
    assert sum(case.ours().confirm for case in (Case(random) for _ in range(5_000))) > 20


def deaf_to_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "_forbidden", lambda directives, shared, credential, confirmable: "")


def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "_lifetime", lambda directives, fields, shared: 86_400)


def deaf_to_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `no-cache` is kept for is forgotten."""
    honour = freshness._honour
    monkeypatch.setattr(freshness, "_honour", lambda plan, directives, *rest: honour(plan, directives_of([]), *rest))


@pytest.mark.parametrize("fault", [deaf_to_no_store, deaf_to_no_cache, generous])
def test_a_laxer_cache_is_noticed(fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls."""
    fault(monkeypatch)  # type: ignore[operator]  # one of the two above
    with pytest.raises(AssertionError):
        run(CASES)
