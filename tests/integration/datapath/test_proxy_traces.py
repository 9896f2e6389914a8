"""Spans over real sockets: one a request, in the caller's trace, the parent of what the upstream does; and nothing where traces are off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from slipstream_api.config import Match
from slipstream_runtime.observe.access import AccessLog
from slipstream_runtime.observe.traces import TracesError, endpoint_of, to_collector
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.traced import TracedClient
from slipstream_runtime.sidecar import traced as traced_by_sidecar
from tests.fakes.collector import Collected, Collector
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.spans import field, traced

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\r\n"
STATE = b"tracestate: vendor=1\r\n"
TEMPLATE = Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/c/{id}")


async def tells(connection: Connection) -> None:
    """Answers with the lines of the request's head."""
    while True:
        head, _ = await connection.request()
        connection.answer(head)


def only(collector: Collector) -> Collected:
    assert len(collector.requests) == 1
    return collector.requests[0]


def asked(collector: Collector) -> bytes:
    """The id of the only attempt, a child of the only request."""
    assert [span.parent for span in collector.attempts] == [only(collector).id]
    return collector.attempts[0].id.encode()


@on_uvloop
async def test_a_request_is_a_span_between_its_caller_s_and_its_upstream_s() -> None:
    """By the semantic conventions, under the operation's name; of what was asked nothing else is told."""
    with Collector() as collector:
        async with RawUpstream(tells) as up, traced(collector, up.port, cache=(cache_rule(match=TEMPLATE),)) as proxy:
            caller = await proxy.caller()
            found = await caller.ask(b"/c/s3cret?token=s3cret", PARENT + STATE + b"Authorization: s3cret\r\n")
            assert type(next(iter(proxy.runtime.context.clients))) is TracedClient
        span = only(collector)
        assert field(found.body, b"traceparent") == [b"00-" + TRACE + b"-" + asked(collector) + b"-01"]
        assert field(found.body, b"tracestate") == [b"vendor=1"]
        assert (span.name, span.kind, span.failed) == ("GET /c/{id}", 2, False)
        assert (span.trace.encode(), span.parent.encode()) == (TRACE, SPAN)
        assert span.id.encode() != SPAN
        assert span.attributes == {
            "http.request.method": "GET",
            "http.route": "/c/{id}",
            "http.response.status_code": 200,
            "url.scheme": "http",
            "network.protocol.version": "1.1",
            "slipstream.pool": "m",
            "slipstream.cache": "uri-miss",
            "slipstream.end": "complete",
        }
        assert (span.resource["service.name"], collector.paths) == ("agent", ["/v1/traces"])
        assert 0 <= span.seconds < 60


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        STATE,
        b"traceparent: nonsense\r\n" + STATE,
        b"traceparent: 00-" + b"0" * 32 + b"-" + SPAN + b"-01\r\n" + STATE,
        b"TraceParent: 00-short\r\nTraceState: vendor=1\r\n",
    ],
)
@on_uvloop
async def test_without_a_valid_parent_a_trace_begins_here(lines: bytes) -> None:
    """Nothing of another trace's state goes on; the span has no parent."""
    with Collector() as collector:
        async with RawUpstream(tells) as up, traced(collector, up.port) as proxy:
            found = await (await proxy.caller()).ask(b"/x", lines)
        span = only(collector)
        (told,) = field(found.body, b"traceparent")
        assert (told[:-2], int(told[-2:], 16) & 1) == (b"00-" + span.trace.encode() + b"-" + asked(collector) + b"-", 1)
        assert (field(found.body, b"tracestate"), span.parent, span.name) == ([], "", "GET")
        assert "http.route" not in span.attributes


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /x HTTP/1.1\r\nHost: up\r\nContent-Length: 4\r\n%b\r\nbody" % PARENT,
        b"POST /x HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n%b\r\n4\r\nbody\r\n0\r\n\r\n" % PARENT,
        b"GET /x HTTP/1.1\r\nHost: up\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n%b\r\n" % PARENT,
        b"GET http://other/x HTTP/1.1\r\nHost: up\r\n%b\r\n" % PARENT,
        b"GET /x HTTP/1.1\r\n%bHost: up\r\nX-Envoy-Expected-Rq-Timeout-Ms: 5000\r\n\r\n" % PARENT,
        b"GET /x HTTP/1.0\r\nHost: up\r\nConnection: keep-alive\r\n%b\r\n" % PARENT,
        b"QUERY /x HTTP/1.1\r\nHost: up\r\n%b%b\r\n" % (PARENT, b"".join(b"X-%d: 1\r\n" % n for n in range(126))),
    ],
    ids=["length", "chunks", "nominated", "absolute", "deadline", "http10", "as-many-lines-as-there-may-be"],
)
@on_uvloop
async def test_what_goes_upstream_differs_in_its_traceparent_only(request_: bytes) -> None:
    """However the head was read: the rest is as it is where traces are off."""
    heads: list[bytes] = []
    with Collector() as collector:
        async with RawUpstream(tells) as up, traced(collector, up.port) as proxy, proxied(up.port) as plain:
            for which in (proxy, plain):
                caller = await which.caller()
                caller.send(request_)
                found = await caller.answer()
                assert found.status == 200
                heads.append(found.body)
        assert field(heads[0], b"traceparent") == [b"00-" + TRACE + b"-" + asked(collector) + b"-01"]
        rest = [sorted(line for line in head.split(b"\r\n") if not line.lower().startswith((b"traceparent", b"x-envoy"))) for head in heads]
        assert rest[0] == rest[1]


@on_uvloop
async def test_hits_failures_and_callers_that_leave_are_spans_too() -> None:
    """A hit says so; an answer of our own is an error with its reason, the upstream's 404 is none."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            if b" /hang" in head:
                await connection.gone()
            connection.answer(status=b"404 No" if b" /no" in head else b"200 OK")

    with Collector() as collector:
        async with RawUpstream(script) as up, traced(collector, up.port, cache=(cache_rule(),)) as proxy:
            caller, leaves = await proxy.caller(), await proxy.caller()
            for path in (b"/c", b"/c", b"/no"):
                await caller.ask(path)
            leaves.get(b"/hang")
            await until(lambda: proxy.core.in_use)
            leaves.leave()
            await until(lambda: not proxy.core.in_use)
        async with traced(collector, free_port()) as proxy:
            assert (await (await proxy.caller()).ask(b"/down")).status == 502
        names = ("slipstream.cache", "http.response.status_code", "slipstream.end")
        told = [(*[one.attributes.get(name) for name in names], one.failed) for one in collector.requests]
        assert told == [
            ("uri-miss", 200, "complete", False),
            ("hit", 200, "complete", False),
            ("bypass", 404, "complete", False),
            (None, None, "client-gone", False),
            ("bypass", 502, "complete", True),
        ]
        failed = collector.requests[-1].attributes
        assert failed["error.type"] == failed["slipstream.reason"] == "ConnectionRefused"


@on_uvloop
async def test_trap_06_who_shares_an_answer_has_a_span_in_its_own_trace() -> None:
    """Of a shared call and of a hit: the upstream is told of the trace of the one who made the call."""
    heads: list[bytes] = []
    release = asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            heads.append(await connection.head())
            await release.wait()
            connection.answer()

    traces = [b"%032x" % number for number in (1, 2, 3)]
    lines = [b"traceparent: 00-" + trace + b"-" + SPAN + b"-01\r\n" for trace in traces]
    with Collector() as collector:
        async with RawUpstream(script) as up, traced(collector, up.port, cache=(cache_rule(),)) as proxy:
            callers = [await proxy.caller() for _ in lines]
            for number, caller in enumerate(callers[:2], 1):
                caller.get(b"/c", lines[number - 1])
                await until(lambda number=number: len(proxy.service.state.tracker) == number)  # type: ignore[misc]  # of this turn
            release.set()
            for caller in callers[:2]:
                await caller.answer()
            await callers[2].ask(b"/c", lines[2])
        assert sorted(span.trace.encode() for span in collector.requests) == traces
        assert [field(head, b"traceparent")[0][3:35] for head in heads] == traces[:1]


@on_uvloop
async def test_traces_and_access_log_tell_of_the_same_trace() -> None:
    """Both on: one line and one span."""
    with Collector() as collector:
        async with RawUpstream() as up, traced(collector, up.port) as proxy:
            access = proxy.runtime.context.access = AccessLog(1.0, lambda: 0.0)
            await (await proxy.caller()).ask()
        assert f'"traceId":"{only(collector).trace}"'.encode() in access.take()


@on_uvloop
async def test_a_trace_that_its_caller_doesn_t_sample_is_passed_on_and_not_exported() -> None:
    """Its id goes on, its flag says no."""
    with Collector() as collector:
        async with RawUpstream(tells) as up, traced(collector, up.port) as proxy:
            found = await (await proxy.caller()).ask(extra=PARENT.replace(b"-01\r", b"-00\r"))
        (told,) = field(found.body, b"traceparent")
        assert (told[:36], told[-3:], collector.spans) == (b"00-" + TRACE + b"-", b"-00", [])


@on_uvloop
async def test_a_collector_that_hangs_holds_up_nothing() -> None:
    """Requests are answered, and the end waits no longer than it was told to."""
    with Collector(silent=True) as collector:
        tracing = to_collector(endpoint_of(collector.url), "agent")
        assert tracing is not None
        async with RawUpstream() as up, proxied(up.port, tracing=tracing) as proxy:
            assert (await (await proxy.caller()).ask()).status == 200
        began = time.monotonic()
        await asyncio.to_thread(tracing.close, 0.2)
        assert time.monotonic() - began < 5


@on_uvloop
async def test_where_traces_are_off_nothing_of_them_is_there() -> None:
    """The connection is of the class that knows none, traceparent goes on as it came, and OpenTelemetry isn't even imported."""
    async with RawUpstream(tells) as up, proxied(up.port) as proxy:
        found = await (await proxy.caller()).ask(extra=PARENT + STATE)
        assert type(next(iter(proxy.runtime.context.clients))) is Client
        assert PARENT + STATE in found.body
    look = "import sys, slipstream_runtime.sidecar; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    process = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", look], check=False)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://x/otlp/v1/traces", "https://x/otlp/v1/traces"),
    ],
)
def test_an_endpoint_without_a_path_is_a_collector_s_own(text: str, url: str) -> None:
    """As OTEL_EXPORTER_OTLP_ENDPOINT is read."""
    assert endpoint_of(text) == url


@pytest.mark.parametrize("text", ["collector:4318", "grpc://collector:4317", "http://", "yes"])
def test_what_is_no_url_is_refused(text: str) -> None:
    """Rather than a process whose spans go nowhere."""
    with pytest.raises(TracesError, match="http://collector:4318"):
        endpoint_of(text)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """And a sidecar serves all the same: its pod mustn't wait for what only looks."""
    monkeypatch.setitem(sys.modules, "slipstream_runtime.observe.tracing", None)
    with pytest.raises(TracesError, match=r"slipstream\[otel\]"):
        to_collector("http://collector:4318/v1/traces", "agent")
    assert traced_by_sidecar("http://collector:4318/v1/traces", "agent") is None
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", "no traces")]
    assert traced_by_sidecar("", "agent") is None
    assert len(caplog.records) == 1
