"""Cache-Status (RFC 9211) and Age, as they go out."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores import cache_status


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (cache_status.hit(376.9), b"slipstream; hit; ttl=376"),
        (cache_status.hit(-0.5, "connect"), b"slipstream; hit; ttl=-1; detail=connect"),
        (cache_status.forwarded(cache_status.URI_MISS, stored=True), b"slipstream; fwd=uri-miss; stored"),
        (cache_status.forwarded(cache_status.URI_MISS, stored=True, collapsed=True), b"slipstream; fwd=uri-miss; stored; collapsed"),
        (cache_status.forwarded(cache_status.BYPASS, detail="no-identity"), b"slipstream; fwd=bypass; detail=no-identity"),
        (cache_status.forwarded(cache_status.STALE, status=503), b"slipstream; fwd=stale; fwd-status=503"),
        (cache_status.age(59.9), b"59"),
        (cache_status.age(-1.0), b"0"),
    ],
)
def test_values_are_rendered_as_the_rfcs_say(value: bytes, expected: bytes) -> None:
    """Whole seconds, tokens, parameters in order."""
    assert value == expected
