"""Spans of attempts over real sockets: one for each request that went to an upstream or should have, within the span of the caller's."""

from __future__ import annotations

import asyncio
import time

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Limits, Match, Pool, RuntimeConfig, Trip
from slipstream_api.config import Upstream as Destination
from slipstream_runtime.proxy.driver import PoolDriver
from slipstream_runtime.proxy.upstream import UpstreamConnection
from tests.fakes.batched import Items, asking, batched
from tests.fakes.collector import Collected, Collector
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.retried import Upstream, fails_until, retrying
from tests.fakes.spans import field, traced

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\r\n"
TEMPLATE = Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/c/{id}")


def within(collector: Collector) -> list[Collected]:
    """The attempts in order, all of them within the only request."""
    (request,) = collector.requests
    assert {(span.parent, span.trace) for span in collector.attempts} <= {(request.id, request.trace)}
    return collector.attempts


def told(spans: list[Collected]) -> list[tuple[object, ...]]:
    """Of each its number among the attempts, its status and its error."""
    names = ("http.request.resend_count", "http.response.status_code", "error.type")
    found = [tuple(span.attributes.get(name) for name in names) for span in spans]
    assert [span.failed for span in spans] == [error is not None for *_, error in found]
    return found


def heard(heads: list[bytes]) -> list[str]:
    """The parents that an upstream was told of."""
    return [field(head, b"traceparent")[0][36:52].decode() for head in heads]


@on_uvloop
async def test_an_attempt_is_a_span_between_the_request_s_and_the_upstream_s() -> None:
    """By the semantic conventions; of the path it says what its rule does."""
    up = Upstream(fails_until(1, ""))
    with Collector() as collector:
        async with RawUpstream(up.script) as raw, traced(collector, raw.port, cache=(cache_rule(match=TEMPLATE),)) as proxy:
            assert (await (await proxy.caller()).ask(b"/c/s3cret?token=s3cret", PARENT)).status == 200
        (span,) = within(collector)
        assert (span.name, span.kind, span.failed, span.trace.encode()) == ("GET /c/{id}", 3, False, TRACE)
        assert heard(up.heads) == [span.id]
        assert span.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": raw.port,
            "network.peer.address": "127.0.0.1",
            "network.peer.port": raw.port,
            "network.protocol.version": "1.1",
            "url.full": f"http://127.0.0.1:{raw.port}/c/{{id}}",
            "url.template": "/c/{id}",
        }
        assert 0 <= span.seconds <= collector.requests[0].seconds


@on_uvloop
async def test_a_path_that_no_rule_has_is_told_by_no_span() -> None:
    """Nor a method that nobody knows."""
    with Collector() as collector:
        async with RawUpstream() as raw, traced(collector, raw.port) as proxy:
            assert (await (await proxy.caller()).ask(b"/s3cret", method=b"SECRET")).status == 200
        (span,) = within(collector)
        assert (span.name, span.attributes["http.request.method"]) == ("HTTP", "_OTHER")
        assert span.attributes["url.full"] == f"http://127.0.0.1:{raw.port}/REDACTED"
        assert "url.template" not in span.attributes
        assert b"s3cret" not in str(span.attributes).lower().encode()


@pytest.mark.parametrize(
    ("how", "status", "error"), [("503 Busy", 503, "503"), ("reset", None, "ConnectionLost"), ("silent", None, "timeout")]
)
@on_uvloop
async def test_each_further_attempt_is_a_span_of_its_own(how: str, status: int | None, error: str) -> None:
    """With its number, and the upstream hears of the attempt that it sees."""
    up = Upstream(fails_until(3, how))
    rule = retrying(try_timeout_ms=60 if how == "silent" else 0)
    with Collector() as collector:
        async with RawUpstream(up.script) as raw, traced(collector, raw.port, breakers=(rule,)) as proxy:
            assert (await (await proxy.caller()).ask()).body == b"good"
        spans = within(collector)
        assert told(spans) == [(None, status, error), (1, status, error), (2, 200, None)]
        assert heard(up.heads) == [span.id for span in spans]
        assert not collector.requests[0].failed


@on_uvloop
async def test_a_connection_that_had_died_is_an_attempt_and_so_is_the_next() -> None:
    """The upstream closes an idle connection with our bytes on their way: they go once more."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer()
        if connection.number == 1:
            await connection.request()

    with Collector() as collector:
        async with RawUpstream(script) as raw, traced(collector, raw.port) as proxy:
            caller = await proxy.caller()
            for _ in range(2):
                assert (await caller.ask()).status == 200
            assert proxy.service.figures.retries == 1
        assert told(collector.attempts) == [(None, 200, None), (None, None, "ConnectionLost"), (1, 200, None)]
        assert [span.parent for span in collector.attempts] == [collector.requests[number].id for number in (0, 1, 1)]


@on_uvloop
async def test_an_upstream_that_can_t_be_reached_was_tried_all_the_same() -> None:
    """Each time; what the circuit or our own queue refuses was no attempt."""
    with Collector() as collector:
        async with traced(collector, free_port(), breakers=(retrying(2, trip=Trip(consecutive_failures=2)),)) as proxy:
            caller = await proxy.caller()
            assert [(await caller.ask()).fields[b"x-slipstream-reason"] for _ in range(2)] == [b"ConnectionRefused", b"CircuitOpen"]
            assert not proxy.service.pool._since
        assert told(collector.attempts) == [(None, None, "ConnectionRefused"), (1, None, "ConnectionRefused")]
        assert {span.parent for span in collector.attempts} == {collector.requests[0].id}
        assert "network.peer.address" not in collector.attempts[0].attributes
    with Collector() as collector:
        async with RawUpstream(hangs) as raw, traced(collector, raw.port, limits=Limits(max_connections=1, max_pending=0)) as proxy:
            first, second = await proxy.caller(), await proxy.caller()
            first.get()
            await until(lambda: proxy.core.in_use)
            assert (await second.ask()).fields[b"x-slipstream-reason"] == b"PoolFull"
            first.leave()
            await until(lambda: not proxy.core.in_use)
        assert told(collector.attempts) == [(None, None, "abandoned")]


@on_uvloop
async def test_an_attempt_without_a_connection_began_when_it_asked_for_one() -> None:
    """Not when that proved vain: a name that is looked up for long is seen as such."""
    asked: list[int] = []

    class Nowhere:
        async def resolve(self, host: str, port: int) -> list[str]:
            asked.append(time.time_ns())
            raise OSError("no such name")

    with Collector() as collector:
        async with traced(collector, 1, upstream=Destination(host="up.test", port=1), resolver=Nowhere()) as proxy:
            assert (await (await proxy.caller()).ask()).status == 502
        (span,) = within(collector)
        assert told([span]) == [(None, None, "NameNotResolved")]
        assert (span.attributes["server.address"], span.began < asked[0]) == ("up.test", True)


@on_uvloop
async def test_who_leaves_the_queue_is_forgotten_and_made_no_attempt() -> None:
    """There was no connection for it yet."""
    with Collector() as collector:
        async with RawUpstream(hangs) as raw, traced(collector, raw.port, limits=Limits(max_connections=1)) as proxy:
            first, second = await proxy.caller(), await proxy.caller()
            first.get()
            await until(lambda: proxy.core.in_use)
            second.get()
            await until(lambda: proxy.core.waiting)
            assert len(proxy.service.pool._since) == 1
            second.leave()
            await until(lambda: not proxy.core.waiting)
            assert not proxy.service.pool._since
        assert len(collector.attempts) == 1


@on_uvloop
async def test_a_batch_is_an_attempt_of_the_first_that_is_in_it() -> None:
    """Under the method that it has; its path is the endpoint's, which no rule for reads has."""
    items = Items()
    with Collector() as collector:
        async with RawUpstream(items) as raw, traced(collector, raw.port, cache=(batched(),)) as proxy:
            callers = await asking(proxy, "1", "2", "3")
            items.gate.set()
            for caller in callers:
                assert (await caller.answer()).status == 200
        single, batch = collector.attempts
        assert (single.attributes["url.template"], "url.template" in batch.attributes) == ("/items/{id}", False)
        assert batch.parent in {span.id for span in collector.requests} - {single.parent}
        assert heard(items.heads) == [single.id, batch.id]


async def hangs(connection: Connection) -> None:
    await connection.head()
    await connection.gone()


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, "404"),
        (b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n", 302, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 200, "AnswerIncomplete"),
        (b"SSH-2.0-x\r\n\r\n", None, "BadAnswer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 101, "BadAnswer"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, None),
    ],
)
@on_uvloop
async def test_what_the_upstream_says_is_the_attempt_s(answer: bytes, status: int | None, error: str | None) -> None:
    """A status from 400 on is an error to who asked, though it is none of the server's own."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(answer)

    with Collector() as collector:
        async with RawUpstream(script) as raw, traced(collector, raw.port) as proxy:
            caller = await proxy.caller()
            caller.get()
            await caller.reader.read(1)
            await until(lambda: not proxy.core.in_use)
        assert told(within(collector)) == [(None, status, error)]


@on_uvloop
async def test_an_answer_that_takes_too_long_is_told_from_one_that_nobody_waits_for() -> None:
    """By the clock the one, by the caller's leaving the other; half an answer that stands still is too late too."""
    half = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        if half.is_set():
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await connection.gone()

    clock = ManualClock()
    with Collector() as collector:
        async with RawUpstream(script) as raw, traced(collector, raw.port, clock=clock) as proxy:
            caller, leaves, reads = await proxy.caller(), await proxy.caller(), await proxy.caller()
            leaves.get()
            await until(lambda: proxy.core.in_use == 1)
            leaves.leave()
            await until(lambda: proxy.core.in_use == 0)
            caller.get()
            await until(lambda: proxy.core.in_use == 1)
            clock.advance(31)
            assert (await caller.answer()).status == 504
            half.set()
            reads.get()
            await reads.reader.readuntil(b"half")
            while proxy.core.in_use:
                clock.advance(31)
                await until(lambda: proxy.runtime.context.now == clock.now())
        assert told(collector.attempts) == [(None, None, "abandoned"), (None, None, "timeout"), (None, 200, "timeout")]


@on_uvloop
async def test_who_has_its_answer_from_the_store_or_from_another_made_no_attempt() -> None:
    """One attempt for three requests; a refresh in the background is the attempt of the request that set it off."""
    clock = ManualClock()
    up = Upstream(fails_until(1, ""))
    with Collector() as collector:
        rule = cache_rule(ttl_ms=1_000, stale_while_revalidate_ms=60_000)
        async with RawUpstream(up.script) as raw, traced(collector, raw.port, clock=clock, cache=(rule,)) as proxy:
            caller = await proxy.caller()
            for _ in range(2):
                await caller.ask(b"/c")
            clock.advance(2)
            await caller.ask(b"/c")
            await until(lambda: len(up) == 2 and not proxy.core.in_use)
        first, _, third = collector.requests
        assert [span.parent for span in collector.attempts] == [first.id, third.id]
        assert heard(up.heads) == [span.id for span in collector.attempts]


@on_uvloop
async def test_a_call_that_asks_whether_the_stored_answer_is_right_is_an_attempt() -> None:
    """With the status that the upstream gave it, which isn't the caller's."""
    clock, heads = ManualClock(), []

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            heads.append(head)
            if b"If-None-Match" in head:
                connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
            else:
                connection.answer(extra=b'ETag: "a"\r\n')

    with Collector() as collector:
        async with RawUpstream(script) as raw, traced(collector, raw.port, clock=clock, cache=(cache_rule(ttl_ms=1_000),)) as proxy:
            caller = await proxy.caller()
            for _ in range(2):
                assert (await caller.ask(b"/c")).status == 200
                clock.advance(2)
        assert told(collector.attempts) == [(None, 200, None), (None, 304, None)]
        assert heard(heads) == [span.id for span in collector.attempts]


@on_uvloop
async def test_another_upstream_s_answer_is_a_further_attempt_at_another_server() -> None:
    """Both within the same request."""
    busy, good = Upstream(fails_until(9, "503 Busy")), Upstream(fails_until(1, ""))
    with Collector() as collector:
        async with RawUpstream(busy.script) as raw, RawUpstream(good.script) as other, traced(collector, raw.port) as proxy:
            rule = BreakerRule(name="b", policy="p", fallback=(Fallback(type="Upstream", pool="other"),))
            own = proxy.config(breaker_rules=(rule,))
            second = Pool(name="other", upstream=Destination(host="127.0.0.1", port=other.port))
            await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, second)), "Local")
            assert (await (await proxy.caller()).ask()).body == b"good"
        spans = within(collector)
        assert told(spans) == [(None, 503, "503"), (1, 200, None)]
        assert [span.attributes["server.port"] for span in spans] == [raw.port, other.port]
        assert heard(busy.heads + good.heads) == [span.id for span in spans]


@on_uvloop
async def test_an_upgrade_s_attempt_ends_with_the_101() -> None:
    """What follows is no HTTP."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw")

    with Collector() as collector:
        async with RawUpstream(script) as raw, traced(collector, raw.port) as proxy:
            caller = await proxy.caller()
            caller.get(extra=b"Connection: Upgrade\r\nUpgrade: x\r\n")
            await caller.reader.readuntil(b"raw")
        assert told(within(collector)) == [(None, 101, None)]


@on_uvloop
async def test_a_trace_that_isn_t_sampled_has_no_attempts_and_goes_on() -> None:
    """Under an id of its own, with the flag that says no."""
    up = Upstream(fails_until(1, ""))
    with Collector() as collector:
        async with RawUpstream(up.script) as raw, traced(collector, raw.port) as proxy:
            await (await proxy.caller()).ask(extra=PARENT.replace(b"-01\r", b"-00\r"))
        ((line,), ids) = field(up.heads[0], b"traceparent"), heard(up.heads)
        assert (line[:36], line[-3:], collector.spans) == (b"00-" + TRACE + b"-", b"-00", [])
        assert ids != [SPAN.decode()]


@on_uvloop
async def test_where_traces_are_off_pools_and_connections_know_none() -> None:
    """The very classes that were there before: no request pays for a question."""
    async with RawUpstream() as raw, proxied(raw.port) as proxy:
        await (await proxy.caller()).ask()
        assert type(proxy.service.pool) is PoolDriver
        assert {type(connection) for connection in proxy.service.pool._all} == {UpstreamConnection}
