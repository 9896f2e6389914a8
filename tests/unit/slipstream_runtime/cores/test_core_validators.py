"""Validators and conditions over stored heads."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores import validators
from tests.fakes.cores import lines

EARLIER, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"


def head(*fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields]).encode()


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ((), b""),
        (('ETag: "a"',), b'\r\nIf-None-Match: "a"'),
        (('etag:W/"a"', f"Last-Modified: {EARLIER}"), f'\r\nIf-None-Match: W/"a"\r\nIf-Modified-Since: {EARLIER}'.encode()),
        (('ETag: "a"', 'ETag: "b"'), b""),
    ],
)
def test_what_the_upstream_is_asked(fields: tuple[str, ...], asked: bytes) -> None:
    """With the stored validators as they came; two tags are none."""
    assert validators.conditions(head(*fields)) == asked


@pytest.mark.parametrize(
    ("stored", "said", "same"),
    [
        ('ETag: "a"', {}, True),
        ('ETag: "a"', {"etag": '"a"'}, True),
        ('ETag: "a"', {"etag": 'W/"a"'}, True),
        ('ETag: "a"', {"etag": '"b"'}, False),
        (f"Last-Modified: {EARLIER}", {"etag": '"b"'}, False),
        (f"Last-Modified: {EARLIER}", {"last_modified": EARLIER}, True),
        (f"Last-Modified: {EARLIER}", {"last_modified": LATER}, False),
        ('ETag: "a"', {"last_modified": EARLIER}, False),
        ('ETag: "a"', {"etag": '"a"', "last_modified": LATER}, True),
    ],
)
def test_a_304_may_be_about_something_else(stored: str, said: dict[str, str], same: bool) -> None:
    """It names the entity tag that it confirms, or none; without one, the date of change, or none."""
    assert validators.confirms(head(stored), lines(**said)) == same  # type: ignore[arg-type]  # strings


def test_a_304_renews_fields_but_not_what_the_body_is() -> None:
    """RFC 9111 §3.2: all lines of a name give way together; Content-* and Connection stay out."""
    stored = head("Cache-Control: max-age=1", "cache-control: public", "X-A: old", "X-B: kept", "Content-Type: a/b", "Content-Length: 3")
    said = lines(cache_control="max-age=9", x_a=["1", "2"], content_type="c/d", content_length="99", content_encoding="br", age="7")
    found = validators.merged(stored, said)
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sorted(found.lower().split(b"\r\n")[1:]) == [
        b"cache-control: max-age=9",
        b"content-length: 3",
        b"content-type: a/b",
        b"x-a: 1",
        b"x-a: 2",
        b"x-b: kept",
    ]


@pytest.mark.parametrize(
    ("stored", "asked", "has_it"),
    [
        ('ETag: "a"', {"if_none_match": '"a"'}, True),
        ('ETag: W/"a"', {"if_none_match": '"a"'}, True),
        ('ETag: "a"', {"if_none_match": '"x", W/"a"'}, True),
        ('ETag: "a,b"', {"if_none_match": '"x","a,b"'}, True),
        ('ETag: "a"', {"if_none_match": ['"x"', '"a"']}, True),
        ('ETag: "a"', {"if_none_match": "*"}, True),
        ("X: y", {"if_none_match": "*"}, True),
        ('ETag: "a"', {"if_none_match": '"b"'}, False),
        ('ETag: "a"', {"if_none_match": "a"}, False),
        ('ETag: "a"', {"if_none_match": '"a'}, False),
        ("X: y", {"if_none_match": '""'}, False),
        (f"Last-Modified: {EARLIER}", {"if_modified_since": EARLIER}, True),
        (f"Last-Modified: {EARLIER}", {"if_modified_since": LATER}, True),
        (f"Last-Modified: {LATER}", {"if_modified_since": EARLIER}, False),
        (f"Last-Modified: {EARLIER}", {"if_modified_since": "yesterday"}, False),
        ("X: y", {"if_modified_since": LATER}, False),
        (f"Last-Modified: {EARLIER}", {"if_modified_since": LATER, "if_none_match": '"b"'}, False),
        (f"Last-Modified: {EARLIER}", {}, False),
    ],
)
def test_whether_the_caller_has_it_already(stored: str, asked: dict[str, str | list[str]], has_it: bool) -> None:
    """RFC 9110 §13.1.2, §13.1.3: entity tags go before dates, compared weakly; what can't be read is no match."""
    assert validators.not_modified(head(stored), lines(**asked)) == has_it


def test_only_a_200_is_had() -> None:
    """RFC 9110 §13.2.1: conditions are for what would be a 200."""
    assert not validators.not_modified(head('ETag: "a"', status="404 Not Found"), lines(if_none_match='"a"'))


def test_a_304_repeats_what_it_must() -> None:
    """RFC 9110 §15.4.5: and nothing about the body."""
    stored = head('ETag: "a"', "Content-Type: a/b", "Vary: Accept", f"Date: {EARLIER}", "Content-Length: 3", "Set-Cookie: x")
    assert validators.not_modified_head(stored) == f'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nVary: Accept\r\nDate: {EARLIER}'.encode()
