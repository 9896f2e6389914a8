"""What an answer's lines forbid is found out once: for whom that is remembered."""

from __future__ import annotations

from slipstream_api import config
from slipstream_runtime.cores.freshness import Told, judge
from slipstream_runtime.cores.key import CacheRequest
from tests.fakes.cores import Cached, a_cache_rule, lines

NOW = 100.0


def test_a_refusal_is_remembered_for_the_same_rule_and_the_same_kind_of_request() -> None:
    """By what was told itself, which all answers with the same lines share: one refusal each, whoever is refused in between, and whatever
    a reload changes."""
    cached = Cached(a_cache_rule(negative_ttl_ms=5_000))
    read = cached.plan.reader.read
    plain = read(b"GET", b"/recall", lines(x_session_id="s"))
    with_token = read(b"GET", b"/recall", lines(x_session_id="s", authorization="t"))
    told = Told(lines(cache_control="no-cache", etag='"a"'))

    def detail(request: CacheRequest, status: int = 200) -> str:
        return judge(cached.plan, request, status, told, NOW).detail

    for _ in range(2):
        assert [detail(plain), detail(with_token), detail(plain), detail(plain, 404), detail(plain)] == ["", "no-cache", "", "no-cache", ""]
    assert judge(cached.plan, with_token, 200, told, NOW) is judge(cached.plan, with_token, 200, told, NOW + 1)
    cached.reload(a_cache_rule(upstream_directives="Ignore"))
    assert detail(with_token) == ""
    cached.reload(a_cache_rule(min_latency_ms=1_000))
    assert [detail(with_token), detail(plain, 404)] == ["fast", "status"]


def test_a_rule_that_covers_what_varies_is_not_told_what_another_was() -> None:
    """The same answer under two rules."""
    told = Told(lines(vary="x-tenant"))
    rules = [Cached(a_cache_rule(key=config.CacheKey(headers=names))) for names in ((), ("X-Tenant",))]
    for _ in range(2):
        details = [judge(rule.plan, rule.plan.reader.read(b"GET", b"/", lines(x_session_id="s")), 200, told, NOW).detail for rule in rules]
        assert details == ["vary", ""]
