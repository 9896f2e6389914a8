"""What a scanner remembers of heads changes nothing: whatever came before, a head means what it means to a scanner that is new."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_runtime.http.scanner import SCAN, Scan
from tests.fakes.remembered import ways_differ


@pytest.mark.parametrize("scan", [None] if SCAN is None else [None, SCAN])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_came_before_changes_no_head(scan: Scan | None, seed: int) -> None:
    """Of requests and answers, refused ones among them: the same refusal, fields, framing, cache key, and what is sent on. By the scanner
    that was built, too."""
    assert not ways_differ(seed, scan)
