"""TLS to the upstream, over real handshakes: whom the proxy trusts, which name it asks for, and what a caller hears of a refusal."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Limits, Tls, Upstream
from tests.fakes.authority import Authority
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream, echo
from tests.fakes.wired import PATIENT, WATCHED, in_force

SIMPLE = Tls(mode="Simple")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only one that the system knows."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return made


class Loopback:
    """Every name is 127.0.0.1."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]


async def ask(server: RawUpstream, host: str = "127.0.0.1", tls: Tls = SIMPLE, limits: Limits | None = None) -> Answer:
    """One request through a proxy of its own; no connection may be left in use."""
    upstream = Upstream(host=host, port=server.port, tls=tls)
    async with proxied(server.port, upstream=upstream, resolver=Loopback(), limits=limits) as proxy:
        found = await (await proxy.caller()).ask(b"/x")
        assert (proxy.core.in_use, proxy.core.waiting) == (0, 0)
        return found


def refused(found: Answer, error: bytes) -> bool:
    return (found.status, found.fields.get(b"proxy-status")) == (502, b"slipstream; error=" + error)


@pytest.mark.parametrize("host", ["127.0.0.1", "memory.example"])
@on_uvloop
async def test_an_upstream_with_the_right_certificate_is_served(authority: Authority, host: str) -> None:
    """The host is the name that the certificate must have, whether it is a name or an address."""
    async with RawUpstream(echo, tls=authority.server(host)) as up:
        assert (await ask(up, host)).body == b"GET /x HTTP/1.1|"


@on_uvloop
async def test_a_dead_path_is_found_out_below_tls_too(authority: Authority) -> None:
    """The kernel's questions are in force on a connection with TLS as on any other; a failed handshake leaves no socket behind."""
    ports: list[int] = []

    async def script(connection: Connection) -> None:
        ports.append(connection.writer.get_extra_info("peername")[1])
        await echo(connection)

    async with RawUpstream(script, tls=authority.server("127.0.0.1")) as up:
        upstream = Upstream(host="127.0.0.1", port=up.port, tls=SIMPLE)
        async with proxied(up.port, upstream=upstream) as proxy:
            assert (await (await proxy.caller()).ask()).status == 200
            assert in_force(ports[0]) == WATCHED
        async with proxied(up.port, upstream=upstream, limits=Limits(request_timeout_ms=30_001)) as proxy:
            assert (await (await proxy.caller()).ask()).status == 200
            assert in_force(ports[1]) == PATIENT  # it may be slow to take a body, as long as its policy says
        assert refused(await ask(up, "other.example"), b"tls_certificate_error")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            assert refused(await ask(up, "other.example"), b"tls_certificate_error")
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before)


@on_uvloop
async def test_one_handshake_serves_many_requests(authority: Authority) -> None:
    """A connection with TLS is kept like any other."""
    async with RawUpstream(echo, tls=authority.server("127.0.0.1")) as up:
        upstream = Upstream(host="127.0.0.1", port=up.port, tls=SIMPLE)
        async with proxied(up.port, upstream=upstream) as proxy:
            caller = await proxy.caller()
            assert [(await caller.ask()).status for _ in range(5)] == [200] * 5
            assert (up.connections, proxy.core.idle) == (1, 1)


@on_uvloop
async def test_the_server_name_is_asked_for_and_verified(authority: Authority) -> None:
    """`serverName` instead of the host, both in the handshake (SNI, with ALPN http/1.1) and against the certificate."""
    asked: list[tuple[str | None, str | None]] = []

    async def script(connection: Connection) -> None:
        tls = connection.writer.get_extra_info("ssl_object")
        asked.append((names[-1], tls.selected_alpn_protocol()))
        await echo(connection)

    names: list[str | None] = []
    server = authority.server("other.example")
    server.set_alpn_protocols(["h2", "http/1.1"])
    server.sni_callback = lambda socket, name, context: names.append(name)
    async with RawUpstream(script, tls=server) as up:
        assert refused(await ask(up, "memory.example"), b"tls_certificate_error")
        assert (await ask(up, "memory.example", Tls(mode="Simple", server_name="other.example"))).status == 200
    assert names == ["memory.example", "other.example"]
    assert asked == [("other.example", "http/1.1")]


def past() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("names", "until", "stranger"),
    [(("127.0.0.1",), None, True), (("127.0.0.2",), None, False), (("localhost",), None, False), (("127.0.0.1",), past(), False)],
    ids=["another authority", "another address", "a name for an address", "expired"],
)
@on_uvloop
async def test_a_certificate_that_proves_nothing_is_a_502(
    authority: Authority, tmp_path: Path, names: tuple[str, ...], until: datetime | None, stranger: bool
) -> None:
    """And no byte of a request reaches who showed it."""
    seen = b""

    async def script(connection: Connection) -> None:
        nonlocal seen
        seen += await connection.reader.read(65_536)
        connection.answer()

    issuer = Authority(tmp_path, "stranger") if stranger else authority
    async with RawUpstream(script, tls=issuer.server(*names, until=until)) as up:
        assert refused(await ask(up), b"tls_certificate_error")
    assert seen == b""


@on_uvloop
async def test_plain_text_behind_tls_is_a_502() -> None:
    """A server that answers what it doesn't understand in plain text, as they do."""

    async def script(connection: Connection) -> None:
        await connection.reader.read(1)
        connection.answer(status=b"400 Bad Request")

    async with RawUpstream(script) as up:
        assert refused(await ask(up), b"tls_protocol_error")


@on_uvloop
async def test_a_handshake_that_is_cut_is_told_as_such() -> None:
    """Not as a refused connection, which would send people to look at ports."""

    async def script(connection: Connection) -> None:
        await connection.reader.read(1)
        connection.reset()

    async with RawUpstream(script) as up:
        assert refused(await ask(up), b"tls_protocol_error")


@on_uvloop
async def test_tls_behind_plain_text_is_no_answer(authority: Authority) -> None:
    """The other way round; the server hangs up on what is no handshake, or says so in an alert."""
    async with RawUpstream(echo, tls=authority.server("127.0.0.1")) as up:
        assert (await ask(up, tls=Tls())).status == 502


@on_uvloop
async def test_an_old_version_of_tls_is_refused(authority: Authority) -> None:
    """TLS 1.1 is broken: no certificate makes up for it."""
    server = authority.server("127.0.0.1")
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    async with RawUpstream(echo, tls=server) as up:
        assert refused(await ask(up), b"tls_protocol_error")


@on_uvloop
async def test_a_handshake_that_never_ends_is_over_at_connect_timeout() -> None:
    """504, and the socket is closed. The time has room for reading all authorities of the system, which comes before the connection."""
    gone = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.gone()
        gone.set()

    async with RawUpstream(script) as up:
        found = await ask(up, limits=Limits(connect_timeout_ms=500))
        assert (found.status, found.fields[b"proxy-status"]) == (504, b"slipstream; error=connection_timeout")
        await gone.wait()


@on_uvloop
async def test_a_certificate_that_goes_bad_ends_no_connection_and_starts_none(authority: Authority) -> None:
    """Verified once a handshake: what is open goes on, what is new is refused, and served again after a renewal."""

    async def twice(connection: Connection) -> None:
        await connection.request()
        connection.answer()
        await connection.request()
        connection.answer(extra=b"Connection: close\r\n")

    good, bad = authority.server("127.0.0.1"), authority.server("127.0.0.1", until=past())
    clock = ManualClock()
    async with RawUpstream(twice, tls=good) as up:
        port, upstream = up.port, Upstream(host="127.0.0.1", port=up.port, tls=SIMPLE)
        async with proxied(port, upstream=upstream, clock=clock) as proxy:
            caller = await proxy.caller()
            assert (await caller.ask()).status == 200
            good.sni_callback = lambda socket, name, context: setattr(socket, "context", bad)
            assert (await caller.ask()).status == 200
            assert refused(await caller.ask(), b"tls_certificate_error")
            good.sni_callback = None
            clock.advance(60)  # the pool holds back after a failed dial
            assert (await caller.ask()).status == 200
