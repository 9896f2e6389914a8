"""Answers that vary by what isn't in every key: not stored, unless the rule's key names it, as the caching guide says."""

from __future__ import annotations

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.config import CacheKey, CacheRule
from slipstream_api.load import to_resource
from tests.fakes.guides import example
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.integration.datapath.test_proxy_cache import status_of


def key_of_the_guide() -> CacheKey:
    """Of its rule `texts`, compiled."""
    policy = example("caching", "translated")
    pool = {**policy, "kind": "ConnectionPool", "metadata": {"name": "memory"}}
    pool["spec"] = {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "a", "port": 1}}
    placed = [{**one, "metadata": {"namespace": "n", **one["metadata"]}} for one in (pool, policy)]
    (rule,) = compile("n", "agent", [to_resource(one) for one in placed]).config.pools[0].cache_rules
    assert isinstance(rule, CacheRule)
    return rule.key


class Translator:
    """Answers in the language that it is asked in."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            self.calls += 1
            language = head.split(b"Accept-Language: ")[1].split(b"\r\n")[0]
            connection.answer(language, b"Vary: Accept-Encoding, Accept-Language, Origin\r\n")


@on_uvloop
async def test_what_varies_is_stored_once_the_key_names_it() -> None:
    """Each language has its own answer; without the key none is stored, and the answer says why."""
    for key, calls in ((key_of_the_guide(), 2), (CacheKey(), 4)):
        upstream = Translator()
        async with RawUpstream(upstream) as up, proxied(up.port, cache=(cache_rule(key=key),)) as proxy:
            caller = await proxy.caller()
            found = []
            for language in (b"de", b"fr", b"de", b"fr"):
                found.append(await caller.ask(b"/c", b"Accept-Language: %b\r\n" % language))
                assert found[-1].body == language
            assert upstream.calls == calls
            why = [status_of(answer) for answer in found]
            if calls == 4:
                assert set(why) == {b"slipstream; fwd=uri-miss; detail=vary"}
            else:
                assert [b"hit" in text for text in why] == [False, False, True, True]


@on_uvloop
async def test_a_caller_that_says_no_cache_costs_a_call_each_time() -> None:
    """By either header, or a max-age of 0, and whatever the rule says; the others have what it brought."""
    upstream = Translator()
    async with RawUpstream(upstream) as up, proxied(up.port, cache=(cache_rule(key=key_of_the_guide()),)) as proxy:
        caller = await proxy.caller()
        asked = b"Accept-Language: de\r\n"
        await caller.ask(b"/c", asked)
        for extra in (b"Cache-Control: no-cache\r\n", b"Cache-Control: max-age=0\r\n", b"Pragma: no-cache\r\n"):
            assert status_of(await caller.ask(b"/c", asked + extra)).startswith(b"slipstream; fwd=request")
        assert b"hit" in status_of(await caller.ask(b"/c", asked))
        assert b"hit" in status_of(await caller.ask(b"/c", asked + b"Pragma: no-cache\r\nCache-Control: max-age=60\r\n"))
        assert upstream.calls == 4
