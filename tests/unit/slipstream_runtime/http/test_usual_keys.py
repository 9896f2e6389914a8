"""What lines that come again and again ask of a cache, with others of which only the values differ: the same as where each is read."""

from __future__ import annotations

from itertools import combinations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.fields import HeaderField, Known
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.request_scanner import RequestScanner
from tests.fakes.cores import Cached, a_cache_rule, lines

PER_CALLER = config.Partition(type="PerCaller")
BY_SESSION = config.Partition(type="Header", headers=("X-Session-Id",))
SHARED = config.Partition(type="Shared")
VARIED = ("x-session-id", "authorization", "accept", "x-tenant", "cache-control", "if-none-match", "range", "user-agent")
SCANNER = RequestScanner(scan=None)


def head_of(known: Known, *values: bytes) -> RequestHead:
    """As a scanner makes it of lines laid out as those before."""
    fixed = [field.name + b": " + field.value for field in known.fields]
    varied = [name + b":" + value for name, value in zip(known.names, values, strict=True)]
    head = SCANNER.scan(b"\r\n".join((b"GET / HTTP/1.1", *fixed, *varied)))
    head.known, head.values = known, values
    return head


def facts(request: CacheRequest) -> tuple[object, ...]:
    bounds = (request.bounds.max_age, request.bounds.min_fresh, request.bounds.max_stale)
    said = (request.credential, request.conditional, request.refresh, request.only_if_cached)
    return (request.key, request.partition, request.bypass, *said, *bounds)


@pytest.mark.parametrize("partition", [PER_CALLER, BY_SESSION, SHARED])
@pytest.mark.parametrize("query", ["All", "None"])
@pytest.mark.parametrize("varied", [names for size in range(3) for names in combinations(VARIED, size)], ids="+".join)
def test_known_lines_and_values_ask_what_all_lines_ask(partition: config.Partition, query: str, varied: tuple[str, ...]) -> None:
    """Key, partition, bypass, and all else; of an empty value, one between blanks, a long one; of any method, with a body or not."""
    reader = Cached(a_cache_rule(partition=partition, key=config.CacheKey(headers=("X-Tenant",), query=query))).plan.reader
    fixed: list[HeaderField] = [
        field for field in lines(x_tenant="t", cookie="c", accept="*/*", host="h") if field.name.decode() not in varied
    ]
    known = Known(fixed, [name.encode() for name in varied])
    for values in ((b"", b" "), (b" max-age=3\t", b"b"), (b"x" * 1_023, b"x" * 1_024), (b"no-cache", b" b ")):
        head = head_of(known, *values[: len(varied)])
        for method, target in ((b"GET", b"/r?a=b"), (b"POST", b"/r"), (b"PURGE", b"/" + b"r" * 1_024)):
            for has_body in (False, True):
                asked = reader.read_head(method, target, head, has_body)
                assert facts(asked) == facts(reader.read(method, target, head.fields, has_body))
                assert asked.fixed == set(varied).isdisjoint(name.decode() for name in reader.interest.by_name)


def test_no_value_that_differs_is_retained() -> None:
    """What is known of lines that come again is the same after a request as before."""
    reader = Cached(a_cache_rule(partition=PER_CALLER)).plan.reader
    known = Known(lines(host="h"), [b"authorization", b"accept"])

    def retained() -> bytes:
        return repr([[usual.whole, usual.keyed, usual.partition, usual.identified] for usual in reader._known.values()]).encode()

    reader.read_head(b"GET", b"/secret1", head_of(known, b"secret1", b"secret1"), False)
    before = retained()
    reader.read_head(b"GET", b"/secret2", head_of(known, b"secret2", b"secret2"), False)
    assert before == retained()
    assert b"secret" not in before
