"""How heads are laid out is learnt from those that were read, and takes nothing that a reader of lines would refuse or read otherwise."""

from __future__ import annotations

import pytest

from slipstream_api.config import CacheKey, Partition
from slipstream_runtime.cores.identity import Interest
from slipstream_runtime.cores.key import MAX_KNOWN, CacheRequest, KeyReader
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.conditional import conditional_request
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import Field, FieldMemo
from slipstream_runtime.http.forward import forwarded_request
from slipstream_runtime.http.framing import NO_BODY
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.layout import MAX_LAID_OUT, MAX_LAYOUTS, REST
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.http.traced import with_traceparent

REQUEST = b"GET /%d HTTP/1.1\r\nHost: up\r\nAccept: */*\r\nX-Request-Id:%b\r\nX-Session-Id: %b\r\nAccept-Language: en"
LONG = b"\r\n".join(b"X-%d: %b" % (n, b"x" * 200) for n in range(MAX_LAID_OUT // 200 + 1))  # lines that may recur
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nX-Mark: %b\r\nContent-Length: %b"


def asked(scanner: RequestScanner, block: bytes) -> RequestHead:
    head, after = scanner.take(block + b"\r\n\r\n", 0, 0, scanner.limits)
    assert head is not None
    assert after == len(block) + 4
    return head


def told(scanner: AnswerScanner, block: bytes, method: bytes = b"GET") -> AnswerHead:
    head, after = scanner.take(block + b"\r\n\r\n", 0, 0, method)
    assert head is not None
    assert after == len(block) + 4
    return head


def requests(limits: Limits | None = None) -> RequestScanner:
    """One that has learnt how REQUEST is laid out: its ids differ, so do its sessions."""
    scanner = RequestScanner(limits, scan=None)
    scanner.memo = FieldMemo(max_values=2)
    for n in range(4):
        asked(scanner, REQUEST % (n, b" %d" % n, b"s%d" % n))
    return scanner


def answers() -> AnswerScanner:
    scanner = AnswerScanner(scan=None)
    scanner.memo = FieldMemo(max_values=2)
    for n in range(4):
        told(scanner, ANSWER % (b"m%d" % n, b"%d" % n))
    return scanner


def test_a_request_laid_out_as_others_is_compared_and_not_read() -> None:
    """Its values are found by their names, in order; its fields are made when somebody asks."""
    head = asked(requests(), REQUEST % (7, b"\tid ", b""))
    assert head.known is not None
    assert dict(zip(head.known.names, head.values, strict=True)) == {
        b"": b"GET /7 HTTP/1.1",
        b"x-request-id": b"\tid ",
        b"x-session-id": b" ",
    }
    assert [field.name for field in head.known.fields] == [b"host", b"accept", b"accept-language"]
    assert [(field.name, field.value) for field in head.fields] == [
        (b"host", b"up"),
        (b"accept", b"*/*"),
        (b"x-request-id", b"id"),
        (b"x-session-id", b""),
        (b"accept-language", b"en"),
    ]
    assert (head.line.path, head.host, head.body, head.keep_alive) == ("/7", b"up", NO_BODY, True)


@pytest.mark.parametrize(
    "block",
    [
        REQUEST % (1, b" a\r", b"s"),
        REQUEST % (1, b" a\n", b"s"),
        REQUEST % (1, b" a\nX-B: b", b"s"),
        REQUEST % (1, b" \0", b"s"),
        REQUEST % (1, b" a\r\n b", b"s"),
        (REQUEST % (1, b" a", b"s")).replace(b"X-Request-Id:", b"X-Request-Id :"),
        (REQUEST % (1, b" a", b"s")).replace(b"HTTP/1.1", b"HTTP/1.2"),
        (REQUEST % (1, b" a", b"s")) + b"\r\nHost: up",
    ],
)
def test_what_would_be_refused_is_refused(block: bytes) -> None:
    """Controls, bare line ends, folding, a blank before the colon, a second Host: as by a scanner that has learnt nothing."""
    with pytest.raises(MalformedError) as fresh:
        asked(RequestScanner(scan=None), block)
    with pytest.raises(MalformedError) as learnt:
        asked(requests(), block)
    assert (learnt.value.status, learnt.value.message) == (fresh.value.status, fresh.value.message)


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        (b"en", b"de"),
        (b"Accept: */*\r\n", b""),
        (b"Host: up\r\n", b"Host: up\r\nTransfer-Encoding: chunked\r\n"),
        (b"Accept:", b"accept:"),
        (b"X-Request-Id", b"X-Session-Id"),
        (b"/1 HTTP/1.1", b"http://other/1 HTTP/1.1"),
        (b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_what_is_laid_out_otherwise_is_read(changed: bytes, to: bytes) -> None:
    """Another fixed line, one fewer, one more, one spelt otherwise, a name twice, another start line."""
    block = (REQUEST % (1, b" a", b"s")).replace(changed, to)
    head = asked(requests(), block)
    fresh = asked(RequestScanner(scan=None), block)
    assert head.known is None
    assert [field.raw for field in head.fields] == [field.raw for field in fresh.fields]
    assert (head.host, head.body, head.keep_alive) == (fresh.host, fresh.body, fresh.keep_alive)


def test_fewer_lines_may_be_allowed_than_when_it_was_learnt() -> None:
    """Limits are those of the pool that is asked."""
    scanner = requests()
    block = REQUEST % (1, b" a", b"s")
    head, _ = scanner.take(block + b"\r\n\r\n", 0, 0, Limits(head=len(block), fields=5))
    assert head is not None
    assert head.known is not None
    with pytest.raises(MalformedError, match="too many header lines"):
        scanner.take(block + b"\r\n\r\n", 0, 0, Limits(fields=4))
    with pytest.raises(MalformedError, match="the head is too long"):
        scanner.take(block + b"\r\n\r\n", 0, 0, Limits(head=len(block) - 1))


def test_what_the_same_lines_ask_of_a_cache_is_found_out_once() -> None:
    """Of one rule, one start line and the same known lines; not where a value that differs is part of the key, nor with a body."""
    scanner = RequestScanner(scan=None)
    scanner.memo = FieldMemo(max_values=2)
    rules = [KeyReader(b"r%d" % n, Interest(Partition(type="Header", headers=("X-Session-Id",)), CacheKey()), True, b"s") for n in range(2)]

    def ask(rule: int, *lines: bytes, start: bytes = b"GET /a HTTP/1.1") -> CacheRequest:
        return asked(scanner, b"\r\n".join((start, b"Host: up", *lines))).asks(rules[rule])

    for _ in range(3):
        first = ask(0, b"X-Session-Id: a")
    assert ask(0, b"X-Session-Id: a") is first
    others = [ask(1, b"X-Session-Id: a"), ask(0, b"X-Session-Id: a", start=b"GET /b HTTP/1.1"), ask(0, b"X-Session-Id: b")]
    assert len({request.key for request in (first, *others)}) == 4
    for n in range(4):
        ask(0, b"X-Session-Id: s%d" % n)
    last = [ask(0, b"X-Session-Id: %d" % (n % 2)) for n in range(4)]
    assert last[0].key == last[2].key != last[1].key == last[3].key
    assert last[0] is not last[2]
    assert not last[0].fixed
    assert ask(0, b"X-Session-Id: a", b"Content-Length: 1").bypass == "body"


def test_what_known_lines_ask_of_a_cache_needs_no_fields() -> None:
    """Unless they say more than whose and which it is: each target is asked about anew, and fields cost as much as reading."""
    scanner, rule = requests(), KeyReader(b"r", Interest(Partition(type="Shared"), CacheKey()), True, b"s")
    for n in range(2):
        head = asked(scanner, REQUEST % (n, b" a", b"s"))
        assert head.asks(rule).fixed
        assert head._fields is None


def test_answers_of_several_lengths_share_a_layout() -> None:
    """Few lengths are as good as one each; more of them are values, however seldom each comes."""
    for lengths in (3, 10, 16):
        scanner = AnswerScanner(scan=None)
        for n in range(600):
            head = told(scanner, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d" % (n * 7 % lengths))
            assert head.body == n * 7 % lengths
            assert n < 300 or head._fields is None or head is scanner._layouts.usual.whole


def test_a_head_in_pieces_is_compared_once() -> None:
    """A slow sender doesn't make us look at what it sent again and again."""
    for scanner, block in ((requests(), REQUEST % (1, b" a", b"s")), (answers(), ANSWER % (b"m", b"1"))):
        looks: list[int] = []

        def looking(data: bytes, at: int, looks: list[int] = looks) -> None:
            looks.append(at)

        scanner._layouts.match = looking
        for size in range(1, len(block)):
            taken = scanner.take(block[:size], 0, size - 1, scanner.limits if isinstance(scanner, RequestScanner) else b"GET")
            assert taken == (None, -1)
        assert looks == [0]


def test_credentials_are_values_and_retained_nowhere() -> None:
    """Not even that of the first caller."""
    scanner = RequestScanner(scan=None)
    for n in range(3):
        head = asked(scanner, b"GET / HTTP/1.1\r\nHost: up\r\nAuthorization: Bearer secret%d\r\nCookie: secret%d" % (n, n))
    assert head.known is not None
    assert list(head.known.names) == [b"", b"authorization", b"cookie"]
    assert list(head.values) == [b"GET / HTTP/1.1", b" Bearer secret2", b" secret2"]
    (layout,) = scanner._layouts._recent
    assert b"secret" not in layout.pattern.pattern + layout.start + b"".join(field.raw for field in layout.fields)


def test_an_answer_laid_out_as_others_is_compared_and_not_read() -> None:
    """Its length is among what differs; the line that isn't sent on is gone, wherever it is."""
    scanner = answers()
    head = told(scanner, ANSWER % (b"m9", b" 77 "))
    assert head._fields is None
    assert (head.status, head.body, head.keep_alive) == (200, 77, True)
    assert head.block == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Mark: m9\r\nContent-Length:  77 "
    assert [field.name for field in head.fields] == [b"content-type", b"x-mark", b"content-length"]
    assert told(scanner, ANSWER % (b"m9", b"77"), b"HEAD").body == NO_BODY
    late = AnswerScanner(scan=None)
    for n in range(3):
        head = told(late, b"HTTP/1.1 200 OK\r\nSet-Id: %b\r\nConnection: keep-alive\r\nContent-Length: 1" % (b"x" * (300 + n)))
    assert head._fields is None
    assert head.block == b"HTTP/1.1 200 OK\r\nSet-Id: %b\r\nContent-Length: 1" % (b"x" * 302)


@pytest.mark.parametrize("length", [b"", b"-1", b"1,1", b"0x1", b"1 1", b"9" * 19, b"\xb2"])
def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    """As where all lines are read."""
    with pytest.raises(MalformedError):
        told(answers(), ANSWER % (b"m", length))


@pytest.mark.parametrize("name", [b"ETag", b"Set-Cookie", b"Expires", b"vary", b"Cache-Control"])
def test_what_says_how_long_an_answer_lives_may_differ(name: bytes) -> None:
    """An ETag that is new in each answer, a cookie: told each time, in its place among those that don't differ, and not retained."""
    scanner = AnswerScanner(scan=None)
    scanner.memo = FieldMemo(max_values=2)
    for n in range(5):
        head = told(scanner, b"HTTP/1.1 200 OK\r\nAge: 1\r\nContent-Length: 1\r\n%b: %d\r\nLast-Modified: x" % (name, n))
        assert [field.value for field in head.governing] == [b"1", b"%d" % n, b"x"]
    assert head._fields is None
    layout = scanner._layouts._recent[0]
    assert [line for line in layout._governing if not isinstance(line, Field)] == [0]


def test_a_host_may_differ() -> None:
    """A workload that talks to many: each is checked, and none more than the first is retained."""
    scanner = RequestScanner(scan=None)
    scanner.memo = FieldMemo(max_values=2)
    for n in range(5):
        head = asked(scanner, b"GET / HTTP/1.1\r\nhost: up%d\r\nAccept: */*" % n)
        assert (head.host, forwarded_request(head, b"own")) == (
            b"up%d" % n,
            b"GET / HTTP/1.1\r\nHost: own\r\nAccept: */*\r\nVia: 1.1 slipstream\r\n\r\n",
        )
        assert conditional_request(head, b"own", b"") == b"GET / HTTP/1.1\r\nHost: own\r\nAccept: */*\r\nVia: 1.1 slipstream\r\n\r\n"
    assert head.known is not None
    with pytest.raises(MalformedError, match="Host isn't a host name"):
        asked(scanner, b"GET / HTTP/1.1\r\nhost: up/x\r\nAccept: */*")


def test_what_teaches_nothing_is_looked_at_seldom() -> None:
    """A name that is there twice, too many values, too long a head: the next that is looked at comes REST heads later."""
    for vain in (b"Set-Cookie: a\r\nSet-Cookie: b", b"\r\n".join(b"X-%d: %b" % (n, b"x" * 300) for n in range(13)), LONG):
        scanner = AnswerScanner(scan=None)
        told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + vain)
        for _ in range(REST - 1):
            told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1")
        assert not scanner._layouts._recent
        told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1")
        assert scanner._layouts._recent


def test_a_flood_of_layouts_is_not_retained_by_a_cache_rule() -> None:
    """Each is sent twice, so that it is learnt and used; only so many are known, none of a long head."""
    scanner, reader = RequestScanner(scan=None), KeyReader(b"r", Interest(Partition(type="Shared"), CacheKey()), True, b"s")
    for n in range(100):
        for _ in range(2):
            for block in (
                b"GET / HTTP/1.1\r\nHost: up\r\nX-%d: a" % n,
                b"GET / HTTP/1.1\r\nHost: up\r\nX-%d%b: a" % (n, b"x" * MAX_LAID_OUT),
            ):
                head = asked(scanner, block)
                reader.read_head(b"GET", b"/", head, False)
                assert head.known is None or len(block) < MAX_LAID_OUT
    assert 1 <= len(reader._known) <= MAX_KNOWN


def test_heads_of_our_own_take_no_place_of_those_that_come() -> None:
    """With traces each request is scanned once more, with a line that no caller sends: learnt, it would drive out callers' layouts."""
    scanner = requests()
    learnt = list(scanner._layouts._recent)
    for n in range(2 * REST):
        head = asked(scanner, REQUEST % (n, b" a", b"s"))
        assert head.known is not None
        with_traceparent(scanner, head, b"00-%032x-%016x-01" % (n, n), False)
    assert scanner._layouts._recent == learnt


def test_layouts_are_bounded_and_vain_ones_cost_little() -> None:
    """A flood of heads that are all different: few are learnt, and then none for a while."""
    scanner = AnswerScanner(scan=None)
    for n in range(MAX_LAYOUTS + REST):
        told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-%d: 1" % (n % 200))
    assert len(scanner._layouts._recent) == MAX_LAYOUTS
    first = scanner._layouts._recent[0]
    told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-New: 1")
    assert scanner._layouts._recent[0] is first
    for _ in range(REST):
        told(scanner, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-New: 1")
    assert scanner._layouts._recent[0] is not first
