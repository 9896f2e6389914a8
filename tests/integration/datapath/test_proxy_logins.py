"""Credentials that authenticate a connection: whoever comes next never has it. Over sockets, and of heads that either scanner read."""

from __future__ import annotations

import pytest

from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.binding import binds
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.http.scanner import SCAN
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

ALICE = b"Authorization: Negotiate alice\r\n"
SCANS = [pytest.param(None, id="python"), *([pytest.param(SCAN, id="c")] if SCAN is not None else [])]


async def remembering(connection: Connection) -> None:
    """As a server that speaks Negotiate: whoever logged in on the connection is who asks on it from then on."""
    who = b"nobody"
    while True:
        head = (await connection.request())[0].lower()
        if b"authorization: negotiate " in head:
            who = head.split(b"negotiate ")[1].split(b"\r\n")[0]
        connection.answer(b"you are " + who)


def asked_by(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET / HTTP/1.1", b"Host: up", *lines])


@on_uvloop
async def test_trap_08_who_logged_in_on_a_connection_isnt_who_asks_on_it_next() -> None:
    """By the request alone: the server says nothing of it in its answer."""
    async with RawUpstream(remembering) as up, proxied(up.port) as proxy:
        alice, bob = await proxy.caller(), await proxy.caller()
        assert (await alice.ask(b"/", ALICE)).body == b"you are alice"
        assert (await bob.ask()).body == b"you are nobody"
        assert (up.connections, proxy.core.in_use, proxy.core.idle) == (2, 0, 1)


@on_uvloop
async def test_trap_08_an_upstream_that_remembers_would_be_noticed() -> None:
    """Negative control: a credential that is the request's own leaves the connection to others, and this server would tell them."""

    async def careless(connection: Connection) -> None:
        who = b"nobody"
        while True:
            head = (await connection.request())[0]
            if b"Authorization: Bearer " in head:
                who = head.split(b"Bearer ")[1].split(b"\r\n")[0]
            connection.answer(b"you are " + who, b'WWW-Authenticate: Bearer realm="negotiate"\r\n')

    async with RawUpstream(careless) as up, proxied(up.port) as proxy:
        alice, bob = await proxy.caller(), await proxy.caller()
        assert (await alice.ask(b"/", b"Authorization: Bearer alice\r\n")).body == b"you are alice"
        assert (await bob.ask()).body == b"you are alice"
        assert up.connections == 1


@pytest.mark.parametrize("name", [b"WWW-Authenticate", b"www-authenticate", b"Proxy-Authenticate"])
@pytest.mark.parametrize("status", [b"401 Unauthorized", b"200 OK"])
@on_uvloop
async def test_trap_08_a_connection_with_a_handshake_under_way_is_nobody_elses(name: bytes, status: bytes) -> None:
    """Also where the challenge is the second line of its name, and each time: heads that are the same are remembered."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(b"no", name + b": Basic realm=x\r\n" + name + b": nTLM TlRM\r\n", status)

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for times in range(1, 5):
            assert (await caller.ask()).status == int(status[:3])
            assert (up.connections, proxy.core.size) == (times, 0)


BINDING = [
    b"Negotiate abc",
    b"negotiate",
    b"\tNTLM TlRM",
    b"nTLm x",
    b"Kerberos x",
    b"CredSSP x",
    b"Nego2 x",
    b'Basic realm="a", Negotiate',
    b"Basic,NTLM",
]
OTHERS = [
    b"Bearer negotiate",
    b"Basic bnRsbTpudGxt",
    b"",
    b"nothing",
    b'Digest realm="a", qop="auth"',
    b"Key ntlm",
    b"Nego",
    b"credentials",
]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize(("value", "bound"), [*((value, True) for value in BINDING), *((value, False) for value in OTHERS)])
def test_trap_08_schemes_are_found_in_any_case_and_behind_commas(scan: object, value: bytes, bound: bool) -> None:
    """By whichever scanner, of heads that are new and of those laid out as others before them; a second line counts as the first."""
    assert binds(value) is bound
    requests, answers = RequestScanner(scan=scan), AnswerScanner(scan=scan)  # type: ignore[arg-type]
    for number in range(4):
        trace = b"X-Request-Id: %d" % number
        for line in (b"Authorization: " + value, b"AUTHORIZATION:" + value):
            assert requests.scan(asked_by(trace, line)).binds() is bound
            assert requests.scan(asked_by(b"Authorization: Basic x", trace, line)).binds() is bound
            assert requests.scan(asked_by(b"Expect: 100-continue", line)).binds() is bound
        assert not requests.scan(asked_by(trace)).binds()
        assert not requests.scan(asked_by(trace, b"Proxy-Authorization: " + value)).binds()  # it ends here
        for line in (b"WWW-Authenticate: ", b"proxy-authenticate:"):
            for lines in ((line + value,), (line + b"Basic realm=b", trace, line + value), (b"Connection: keep-alive", line + value)):
                head = answers.scan(b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: 0", *lines]), b"GET")
                assert head.keep_alive is not bound
        assert answers.scan(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + trace, b"GET").keep_alive


@pytest.mark.parametrize("scan", SCANS)
def test_trap_08_of_many_heads_laid_out_alike_the_one_that_logs_in_is_found(scan: object) -> None:
    """Their Authorization is among the values that differ; challenges that differ aren't laid out at all."""
    requests, answers = RequestScanner(scan=scan), AnswerScanner(scan=scan)  # type: ignore[arg-type]
    for number in range(40):
        bound = number % 7 == 3
        scheme = b"Negotiate" if bound else b"Bearer"
        assert requests.scan(asked_by(b"Accept: */*", b"Authorization: %b t%d" % (scheme, number))).binds() is bound
        head = answers.scan(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: s\r\nWWW-Authenticate: %b t%d" % (scheme, number), b"GET")
        assert head.keep_alive is not bound
