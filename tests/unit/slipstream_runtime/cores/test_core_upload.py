"""When a request's body is due."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores.upload import body_due


@pytest.mark.parametrize(
    ("received", "held", "due"),
    [(0, 0.0, 130.0), (1, 0.0, 130.001), (1_000, 0.0, 131.0), (3_600_000, 0.0, 3_730.0), (0, 7.0, 137.0), (2_000, 7.0, 139.0)],
)
def test_each_thousand_bytes_are_worth_a_second(received: int, held: float, due: float) -> None:
    """And what wasn't read for so long is due so much later."""
    assert body_due(100.0, 30.0, received, held) == pytest.approx(due)
