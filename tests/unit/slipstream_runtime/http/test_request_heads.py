"""What a request's head must look like to be let through, and what is forwarded of it."""

from __future__ import annotations

import pytest

from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.forward import forwarded_request
from slipstream_runtime.http.framing import CHUNKED, NO_BODY
from slipstream_runtime.http.heads import Limits, head_end
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.request_scanner import RequestScanner


def scan(text: str, limits: Limits | None = None) -> RequestHead:
    return RequestScanner(limits).scan(text.encode("latin-1").removesuffix(b"\r\n\r\n"))


def forwarded(text: str, host: bytes = b"") -> bytes:
    return forwarded_request(scan(text), host)


# RFC 9112 §2.2, §3, §5, §6, §11.2 and the smuggling literature: each differs from a good request in one thing.
REFUSED = {
    "no_host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two_hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "host_with_path": ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host_with_user": ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "two_spaces": ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab_for_space": ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space_at_end_of_line": ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "no_version": ("GET /\r\nHost: a\r\n\r\n", 400),
    "http2": ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "http12": ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    "lower_case_version": ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "method_not_a_token": ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "raw_utf8_target": ("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment": ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "nul_in_target": ("GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "relative_target": ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "star_for_get": ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "authority_with_user": ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "connect": ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "bare_lf_between_lines": ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    "bare_cr_in_value": ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    "obs_fold_space": ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "obs_fold_tab": ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400),
    "fold_before_first_field": ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "space_before_colon": ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n", 400),
    "no_colon": ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    "no_name": ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    "nul_in_value": ("GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
    "control_in_value": ("GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", 400),
    "delete_in_value": ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
    "name_with_umlaut": ("GET / HTTP/1.1\r\nHost: a\r\nX\xfc: b\r\n\r\n", 400),
    "length_and_chunked": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked_and_length": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "two_lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    "same_length_twice": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    "list_of_lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
    "length_with_plus": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
    "negative_length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
    "hex_length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
    "length_with_underscore": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n", 400),
    "superscript_length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\n", 400),
    "empty_length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    "huge_length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400),
    "two_codings": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "gzip_chunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "chunked_identity": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501),
    "quoted_chunked": ('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"\r\n\r\n', 501),
    "xchunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    "vertical_tab_chunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "empty_coding": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 501),
    "chunked_in_http10": ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "unknown_expectation": ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
    "connection_not_names": ("GET / HTTP/1.1\r\nHost: a\r\nConnection: clo se\r\n\r\n", 400),
}

ACCEPTED = {
    "plain": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "host_with_port": "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n",
    "ipv6_host": "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "empty_host": "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "http10_without_host": "GET / HTTP/1.0\r\n\r\n",
    "absolute_form": "GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
    "options_star": "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown_method": "FOO-1 / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no_space_after_colon": "GET / HTTP/1.1\r\nHost:a\r\n\r\n",
    "tab_after_colon": "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n",
    "space_after_value": "GET / HTTP/1.1\r\nHost: a \t\r\n\r\n",
    "latin1_value": "GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n",
    "length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    "chunked_in_capitals": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
    "empty_connection_member": "GET / HTTP/1.1\r\nHost: a\r\nConnection: , keep-alive,\r\n\r\n",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_head_that_could_be_read_two_ways_is_refused(case: str) -> None:
    """Nothing whose end or meaning two parsers may see differently goes on."""
    text, status = REFUSED[case]
    with pytest.raises(MalformedError) as caught:
        scan(text)
    assert caught.value.status == status


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_good_head_is_accepted(case: str) -> None:
    """The negative control of the refusals: strictness doesn't refuse what is right."""
    scan(ACCEPTED[case])


@pytest.mark.parametrize("case", REFUSED)
def test_a_head_is_refused_the_second_time_too(case: str) -> None:
    """What was refused is never remembered as good."""
    text, _ = REFUSED[case]
    scanner = RequestScanner()
    for _ in range(2):
        with pytest.raises(MalformedError):
            scanner.scan(text.encode("latin-1").removesuffix(b"\r\n\r\n"))


def test_the_body_is_what_the_head_declares() -> None:
    """Length, chunked, or none (RFC 9112 §6.3)."""
    assert scan(ACCEPTED["plain"]).body == NO_BODY
    assert scan(ACCEPTED["length"]).body == 5
    assert scan(ACCEPTED["chunked_in_capitals"]).body == CHUNKED


def test_a_connection_is_kept_as_version_and_options_say() -> None:
    """HTTP/1.1 keeps unless `close`, HTTP/1.0 closes unless `keep-alive`."""
    assert scan("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive
    assert not scan("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive
    assert not scan("GET / HTTP/1.0\r\nHost: a\r\n\r\n").keep_alive
    assert scan("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n").keep_alive


def test_hop_by_hop_fields_stay_here() -> None:
    """Neither the listed ones nor those that Connection names are forwarded; the rest keeps its order and spelling."""
    text = (
        "GET /a HTTP/1.1\r\nhost: a\r\nAccept: x\r\nConnection: keep-alive, X-Private\r\nKeep-Alive: timeout=5\r\nX-Private: 1\r\n"
        "Proxy-Authorization: secret\r\nTE: trailers\r\nTrailer: x\r\nX-Z:  kept \r\n\r\n"
    )
    assert forwarded(text) == b"GET /a HTTP/1.1\r\nhost: a\r\nAccept: x\r\nX-Z:  kept \r\nVia: 1.1 slipstream\r\n\r\n"


def test_connection_cannot_name_away_host_or_framing() -> None:
    """`Connection: host, content-length` would change who is asked and where the body ends."""
    text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: host, content-length\r\n\r\n"
    assert forwarded(text) == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nVia: 1.1 slipstream\r\n\r\n"


def test_host_is_rewritten_where_the_client_used_our_own_address() -> None:
    """The upstream is asked by its own name, whichever path the head takes."""
    assert forwarded("GET / HTTP/1.1\r\nX: Host: l\r\nHost: l\r\n\r\n", b"up:80") == (
        b"GET / HTTP/1.1\r\nX: Host: l\r\nHost: up:80\r\nVia: 1.1 slipstream\r\n\r\n"
    )
    assert forwarded("GET / HTTP/1.1\r\nConnection: close\r\nHost: l\r\nX: y\r\n\r\n", b"up:80") == (
        b"GET / HTTP/1.1\r\nHost: up:80\r\nX: y\r\nVia: 1.1 slipstream\r\n\r\n"
    )


def test_an_absolute_form_becomes_a_path_and_its_authority_the_host() -> None:
    """RFC 9112 §3.2.2: the target's authority wins over Host."""
    assert forwarded("GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n")
    assert forwarded("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"GET / HTTP/1.1\r\nHost: b\r\n")
    assert forwarded("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"GET /?q HTTP/1.1\r\nHost: b\r\n")


def test_chunked_and_expect_are_written_anew() -> None:
    """Framing is never copied from the client."""
    text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:   cHunKed\r\nExpect: 100-Continue\r\n\r\n"
    assert forwarded(text) == (
        b"POST / HTTP/1.1\r\nHost: a\r\nVia: 1.1 slipstream\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )


def test_http10_is_spoken_as_11_to_the_upstream() -> None:
    """The version is a property of the hop."""
    assert forwarded("GET / HTTP/1.0\r\n\r\n", b"up") == b"GET / HTTP/1.1\r\nHost: up\r\nVia: 1.1 slipstream\r\n\r\n"


def test_an_upgrade_is_forwarded_but_never_to_h2c() -> None:
    """A websocket may be asked for; HTTP/2 would carry requests past every policy."""
    text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {}\r\nHTTP2-Settings: x\r\n\r\n"
    assert forwarded(text.format("websocket")).endswith(b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert b"pgrade" not in forwarded(text.format("h2c"))
    assert b"pgrade" not in forwarded(text.format("websocket, H2C"))


def test_limits_have_their_own_statuses() -> None:
    """431 for heads and lines, 414 for the target."""
    small = Limits(head=200, fields=3, target=20)
    for text, status in [
        ("GET /" + "x" * 20 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 3 + "\r\n", 431),
    ]:
        with pytest.raises(MalformedError) as caught:
            scan(text, small)
        assert caught.value.status == status
    scan("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nX: y\r\n\r\n", small)


def test_the_end_of_a_head_is_found_across_reads() -> None:
    """Any cut of the bytes gives the same end; nothing is searched from the start again."""
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nBODY"
    limits = Limits()
    end = data.index(b"\r\n\r\n")
    for cut in range(len(data)):
        first = head_end(data[:cut], 0, 0, limits)
        assert first == (end if cut >= end + 4 else -1)
        assert head_end(data, 0, cut, limits) == end or cut >= end + 4


@pytest.mark.parametrize("tail", [b"\n", b"\n\n", b"\nX: y\r\n"])
def test_a_bare_line_feed_is_refused_without_waiting_for_more(tail: bytes) -> None:
    """A head that ends in LF LF never gets its CRLF CRLF; its sender is told at once, however the bytes were cut."""
    data = b"GET / HTTP/1.1\r\nHost: a" + tail
    for seen in range(len(data) - len(tail)):
        with pytest.raises(MalformedError):
            head_end(data, 0, seen, Limits())


def test_an_endless_head_is_refused() -> None:
    """Bounded memory: 431 once the limit is passed, 414 where it is the target that doesn't end."""
    for data, status in [(b"GET / HTTP/1.1\r\nX: " + b"y" * 300, 431), (b"GET /" + b"y" * 150, 414)]:
        with pytest.raises(MalformedError) as caught:
            head_end(data, 0, 0, Limits(head=250, target=20))
        assert caught.value.status == status
