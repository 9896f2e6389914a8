"""Requests and limits of the sidecar."""

from __future__ import annotations

from decimal import Decimal

import pytest

from slipstream_operator.injector.resources import Defaults, amount, resources

DEFAULTS = Defaults(cpu_request="50m", cpu_limit="1", memory_request="96Mi", memory_limit="256Mi")
PREFIX = "slipstream.dev/"


def sized(**given: str) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    found = resources({PREFIX + name.replace("_", "-"): text for name, text in given.items()}, DEFAULTS)
    return dict(found.values["requests"]), dict(found.values["limits"]), found.problems


def test_without_annotations_the_defaults_hold() -> None:
    """All four, always."""
    assert sized() == ({"cpu": "50m", "memory": "96Mi"}, {"cpu": "1", "memory": "256Mi"}, ())


def test_a_request_above_the_default_limit_takes_the_limit_along() -> None:
    """The API server refuses a request above its limit; what the user wrote wins."""
    requests, limits, problems = sized(cpu_request="2", memory_request="1Gi")
    assert (requests, limits, problems) == ({"cpu": "2", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"}, ())


def test_a_limit_below_the_default_request_takes_the_request_along() -> None:
    """The same the other way round."""
    requests, limits, problems = sized(cpu_limit="20m", memory_limit="64Mi")
    assert (requests, limits, problems) == ({"cpu": "20m", "memory": "64Mi"}, {"cpu": "20m", "memory": "64Mi"}, ())


def test_of_two_that_contradict_the_limit_wins_and_is_told() -> None:
    """A pod that starts with less is better than none."""
    requests, limits, problems = sized(cpu_request="2", cpu_limit="1")
    assert (requests["cpu"], limits["cpu"]) == ("1", "1")
    assert "slipstream.dev/cpu-request" in problems[0]


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "1KiB", "1e", "0.1m", "NaN", "1 Mi"])
def test_what_is_no_quantity_is_told(text: str) -> None:
    """The default holds instead."""
    requests, _, problems = sized(cpu_request=text)
    assert requests["cpu"] == "50m"
    assert len(problems) == 1


@pytest.mark.parametrize("text", ["1Mi", "100"])
def test_memory_that_starts_nothing_is_told(text: str) -> None:
    """A sidecar that is killed at once keeps its pod from starting."""
    requests, limits, problems = sized(memory_limit=text)
    assert (requests["memory"], limits["memory"]) == ("96Mi", "256Mi")
    assert "16Mi" in problems[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", Decimal(1)),
        ("100m", Decimal("0.1")),
        ("1.5", Decimal("1.5")),
        (".5", Decimal("0.5")),
        ("64Mi", Decimal(64 * 2**20)),
        ("1k", Decimal(1000)),
        ("1e3", Decimal(1000)),
        ("2E", Decimal(2) * 10**18),
        ("1Ki", Decimal(1024)),
        ("1K", None),
        ("0x10", None),
        ("1mi", None),
    ],
)
def test_quantities_are_read_as_kubernetes_does(text: str, expected: Decimal | None) -> None:
    """`k` is a thousand, `K` is nothing, `E` is a suffix unless digits follow."""
    assert amount(text) == expected
