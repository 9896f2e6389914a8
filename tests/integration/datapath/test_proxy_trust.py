"""TLS with files of one's own: whom an upstream's pool trusts, and who the proxy is to it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Tls, Upstream
from tests.fakes.authority import Authority
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream, echo

OWN = Tls(mode="Simple", ca="authority.pem")
MUTUAL = Tls(mode="Simple", ca="authority.pem", certificate="client.pem", key="client.pem")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that the system doesn't know."""
    return Authority(tmp_path)


async def ask(server: RawUpstream, folder: Path | None, tls: Tls) -> Answer:
    upstream = Upstream(host="127.0.0.1", port=server.port, tls=tls)
    async with proxied(server.port, upstream=upstream, tls_folder="" if folder is None else str(folder)) as proxy:
        return await (await proxy.caller()).ask(b"/x")


def refused(found: Answer, error: bytes) -> bool:
    return (found.status, found.fields.get(b"proxy-status")) == (502, b"slipstream; error=" + error)


@on_uvloop
async def test_an_authority_of_its_own_is_trusted_and_no_other(authority: Authority, tmp_path: Path) -> None:
    """The controls: without it, and with another one, the same server is refused."""
    Authority(tmp_path, "stranger")
    async with RawUpstream(echo, tls=authority.server("127.0.0.1")) as up:
        assert (await ask(up, tmp_path, OWN)).body == b"GET /x HTTP/1.1|"
        assert refused(await ask(up, tmp_path, Tls(mode="Simple")), b"tls_certificate_error")
        assert refused(await ask(up, tmp_path, Tls(mode="Simple", ca="stranger.pem")), b"tls_certificate_error")


@on_uvloop
async def test_an_authority_of_its_own_leaves_the_systems_out(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system trusts says nothing about this upstream."""
    system = Authority(tmp_path, "system")
    monkeypatch.setenv("SSL_CERT_FILE", str(system.certificate))
    async with RawUpstream(echo, tls=system.server("127.0.0.1")) as up:
        assert (await ask(up, tmp_path, Tls(mode="Simple"))).status == 200
        assert refused(await ask(up, tmp_path, OWN), b"tls_certificate_error")


@on_uvloop
async def test_a_certificate_is_shown_to_an_upstream_that_asks_for_one(authority: Authority, tmp_path: Path) -> None:
    """Who has none is refused by the upstream."""
    names: list[object] = []

    async def script(connection: Connection) -> None:
        names.append(connection.writer.get_extra_info("ssl_object").getpeercert()["subjectAltName"])
        await echo(connection)

    authority.signed("client.pem", "sidecar.example")
    server = authority.server("127.0.0.1")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.certificate)
    async with RawUpstream(script, tls=server) as up:
        assert (await ask(up, tmp_path, MUTUAL)).status == 200
        assert (await ask(up, tmp_path, OWN)).status == 502
    assert names == [(("DNS", "sidecar.example"),)]


@pytest.mark.parametrize(
    "tls",
    [
        Tls(mode="Simple", ca="missing.pem"),
        Tls(mode="Simple", ca="rubbish.pem"),
        Tls(mode="Simple", ca="authority.pem", certificate="rubbish.pem", key="rubbish.pem"),
        Tls(mode="Simple", ca="authority.pem", certificate="authority.pem", key="client.pem"),
    ],
    ids=["no-file", "no-certificate", "no-key", "another-key"],
)
@on_uvloop
async def test_files_that_are_no_use_are_a_502_and_never_less_trust(authority: Authority, tmp_path: Path, tls: Tls) -> None:
    """No byte reaches the upstream."""
    (tmp_path / "rubbish.pem").write_text("rubbish")
    authority.signed("client.pem", "sidecar.example")
    async with RawUpstream(echo, tls=authority.server("127.0.0.1")) as up:
        assert refused(await ask(up, tmp_path, tls), b"tls_protocol_error")
        assert up.connections == 0


@on_uvloop
async def test_without_a_folder_no_file_is_looked_for(authority: Authority) -> None:
    """Not in the working directory either."""
    async with RawUpstream(echo, tls=authority.server("127.0.0.1")) as up:
        assert refused(await ask(up, None, OWN), b"tls_protocol_error")


@on_uvloop
async def test_files_that_are_renewed_are_read_again(authority: Authority, tmp_path: Path) -> None:
    """The next connection trusts what the file says then."""
    clock = ManualClock()
    newer = Authority(tmp_path, "newer")

    async def once(connection: Connection) -> None:
        await connection.request()
        connection.answer(extra=b"Connection: close\r\n")

    async with RawUpstream(once, tls=newer.server("127.0.0.1")) as up:
        upstream = Upstream(host="127.0.0.1", port=up.port, tls=OWN)
        async with proxied(up.port, upstream=upstream, tls_folder=str(tmp_path), clock=clock) as proxy:
            caller = await proxy.caller()
            assert refused(await caller.ask(), b"tls_certificate_error")
            authority.certificate.write_bytes(newer.certificate.read_bytes() + b"\n")
            clock.advance(60)  # the pool holds back after a failed dial
            assert [(await caller.ask()).status for _ in range(2)] == [200, 200]
