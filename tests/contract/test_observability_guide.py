"""The guide to observability tells what there is: each metric with its type and labels, each field of the access log, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipstream_api.config import BreakerRule
from slipstream_runtime.observe.access import AccessLog, Line
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import RawUpstream

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "observability.md"
ROW = re.compile(r"^\| `(slipstream_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", re.MULTILINE)
FIELD = re.compile(r"^\| `(\w+)` \| (?!counter|gauge|histogram)(.*?) \|$", re.MULTILINE)


def exposed(page: str) -> dict[str, tuple[str, str, str]]:
    """Type, labels and help by name, as the guide's table has them."""
    found = {}
    for family in text_string_to_metric_families(page):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, ", ".join(f"`{label}`" for label in labels) or "-", family.documentation)
    return found


def told(guide: str) -> dict[str, tuple[str, str, str]]:
    return {name: (kind, labels, text) for name, kind, labels, text in ROW.findall(guide)}


async def page() -> str:
    """Of a runtime with one of everything, so that every metric has a sample."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(),), breakers=(BreakerRule(name="b", policy="b"),)) as proxy:
        proxy.runtime.context.access = AccessLog(1.0, lambda: 0.0)
        caller = await proxy.caller()
        for _ in range(2):
            await caller.ask(b"/c")
        return proxy.runtime.metrics().decode()


async def test_the_table_of_metrics_is_what_is_exposed() -> None:
    """Where it fails, this is the table: paste it."""
    found = exposed(await page())
    table = "\n".join(f"| `{name}` | {kind} | {labels} | {text} |" for name, (kind, labels, text) in sorted(found.items()))
    assert told(GUIDE.read_text()) == found, f"docs/guide/observability.md:\n{table}"


async def test_a_metric_that_is_not_told_is_noticed() -> None:
    """Nor one that is told and isn't there, or with another label."""
    found, guide = exposed(await page()), GUIDE.read_text()
    row = "| `slipstream_hits_total` | counter | `operation`, `pool` |"
    assert row in guide
    for other in ("", row.replace("hits", "misses"), row.replace("`operation`, ", "")):
        assert told(guide.replace(row, other)) != found


async def test_names_follow_the_conventions() -> None:
    """Counters end in _total, histograms in their unit, and a prefix tells whose they are."""
    for name, (kind, _, text) in exposed(await page()).items():
        assert name.startswith("slipstream_")
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind != "histogram" or name.endswith("_seconds"), name
        assert text.endswith("."), name


def test_the_fields_of_the_access_log_are_told() -> None:
    """All of them, in the order of a line."""
    fields = [name for name, _ in FIELD.findall(GUIDE.read_text().partition("## Access log")[2].partition("\n## ")[0])]
    assert fields == [field.encode_name for field in msgspec.structs.fields(Line)]


@pytest.mark.parametrize("line", re.findall(r"^\{.*\}$", GUIDE.read_text(), re.MULTILINE))
def test_a_line_in_the_guide_is_one(line: str) -> None:
    """As the runtime writes it, octet for octet."""
    assert msgspec.json.encode(msgspec.json.decode(line, type=Line)).decode() == line
