"""Names of metrics: what a LoadTest may ask for is what is measured, here and in the rules of the API."""

from __future__ import annotations

from typing import get_args

from slipstream_api.models import loadtest as api
from slipstream_api.models.loadtest.judgement import Compared
from slipstream_api.rules.loadtest_parts import KEPT_OVER_TIME
from slipstream_api.rules.loadtests import _TIMES
from slipstream_loadtest.judged.metrics import METRICS
from slipstream_loadtest.judged.stretches import SLICED
from slipstream_loadtest.plan.asked import Comparison


def test_thresholds_may_name_exactly_what_is_measured() -> None:
    """Neither a metric that nobody can ask for, nor one that would always be no data."""
    assert set(get_args(api.Threshold.model_fields["metric"].annotation)) == set(METRICS)


def test_comparisons_name_metrics() -> None:
    """Those of the default among them."""
    assert set(Comparison().metrics) <= set(get_args(Compared)) <= set(METRICS)
    assert api.Comparison().metrics == Comparison().metrics


def test_what_a_window_may_be_of_is_what_slices_hold() -> None:
    """The rule of the API and the judgement."""
    assert {name for name in METRICS if name.startswith("latency.")} | set(KEPT_OVER_TIME) == SLICED


def test_bounds_are_durations_where_the_metric_is_a_time() -> None:
    """By its prefix, as the rule goes by it."""
    assert {name for name, metric in METRICS.items() if metric.unit == "ms"} == {name for name in METRICS if name.startswith(_TIMES)}
