"""The health check's thresholds."""

from __future__ import annotations

import pytest

from slipstream_api.config import HealthCheck
from slipstream_runtime.cores.health import Health

NOW = 1_000.0


@pytest.mark.parametrize(
    ("results", "healthy"),
    [("", True), ("xx", True), ("xxx", False), ("xx.xx", True), ("xxx.", False), ("xxx..", True), ("xxx.x.", False), ("xxx.x..", True)],
)
def test_only_results_in_a_row_change_it(results: str, healthy: bool) -> None:
    """Three failures, two successes."""
    health = Health(HealthCheck(unhealthy_threshold=3, healthy_threshold=2), NOW)
    for result in results:
        health.record(result == ".", NOW)
    assert health.healthy == healthy


def test_a_change_is_told_once_and_dated() -> None:
    """For the log."""
    health = Health(HealthCheck(unhealthy_threshold=2), NOW)
    assert [health.record(False, NOW + n) for n in range(1, 5)] == [False, True, False, False]
    assert health.since == NOW + 2


def test_checks_are_spread_and_keep_their_interval() -> None:
    """Pods that start together don't check together."""
    health = Health(HealthCheck(interval_ms=20_000), NOW, random=0.5)
    assert [health.due(NOW + seconds) for seconds in (9.9, 10.0)] == [False, True]
    health.started(NOW + 10)
    assert [health.due(NOW + seconds) for seconds in (29.9, 30.0)] == [False, True]
    health.reconfigure(HealthCheck(interval_ms=1_000), NOW + 10)
    assert health.due(NOW + 11)
