"""One gauge out of a Prometheus text: its samples added up. Pure; fetches nothing."""

from __future__ import annotations

from math import isfinite

from prometheus_client.parser import text_string_to_metric_families


def gauge(text: str, metric: str) -> int:
    """The sum of the gauge's samples. Raises ValueError where it isn't there or no number.

    Only the gauge's own lines are parsed: a scrape of a large target would hold the event loop up, which is measured as lag.
    """
    lines = [line for line in text.splitlines() if line.startswith(metric) and line[len(metric) : len(metric) + 1] in (" ", "{", "\t")]
    found = [s.value for family in text_string_to_metric_families("\n".join([*lines, ""])) for s in family.samples if s.name == metric]
    if not found:
        raise ValueError(f"there is no gauge {metric} in it")
    total = sum(found)
    if not isfinite(total) or total < 0:
        raise ValueError(f"{metric} is {total}, which is no number of bytes")
    return round(total)
