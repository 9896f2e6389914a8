"""Cache-Status (RFC 9211): the outcome of the cache nearest to the caller."""

import pytest

from slipstream_loadtest.http.cache_status import outcome


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("slipstream; hit", "hit"),
        ("slipstream;hit;ttl=376", "hit"),
        ("slipstream; fwd=miss; stored", "fwd=miss"),
        ("slipstream; fwd=uri-miss; collapsed", "fwd=uri-miss"),
        ("slipstream; fwd=stale; fwd-status=304", "fwd=stale"),
        ("origin; hit, slipstream; fwd=bypass", "fwd=bypass"),
        ("origin; fwd=miss, slipstream; hit", "hit"),
        ('"a, b; hit"; fwd=method', "fwd=method"),
        ('slipstream; detail="hit"; fwd=vary-miss', "fwd=vary-miss"),
        ("slipstream; hit=?1", "hit"),
        ("slipstream; hit=?0", ""),
        ("slipstream; fwd=user-4711", "fwd"),
        ("slipstream", ""),
        ("slipstream; fwd=bypass; detail=no-identity", "fwd=bypass"),
        ("slipstream; fwd=bypass; detail=no-rule", ""),
        ("slipstream; fwd=method", "fwd=method"),
        ("slipstream; fwd=bypass; detail=no-rule, near; hit", "hit"),
        ("", ""),
        ("hit", ""),
    ],
)
def test_outcome_of_the_last_member(header: str, expected: str):
    """Members run from the origin to the caller; quoted text is no parameter; unknown reasons are one outcome (trap T30)."""
    assert outcome(header) == expected
