"""What a demo shows, computed from a judged run and the layers' own status; and whether it is what was promised. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROMISED = {"read_p95_ratio": 2.3, "throughput_ratio": 6.0, "hit_rate": 0.75, "reuse": 0.85}


@dataclass(frozen=True, slots=True)
class Figures:
    """`read_p95_ratio`: direct over layers. `throughput_ratio`: layers over direct. `hit_rate`, `reuse`: shares. `wrong`: answers."""

    read_p95_ratio: float
    throughput_ratio: float
    hit_rate: float
    reuse: float
    wrong: int

    def line(self) -> str:
        """The last line of the demo."""
        return (
            f"demo: read_p95_ratio={self.read_p95_ratio:.1f} throughput_ratio={self.throughput_ratio:.1f} "
            f"hit_rate={self.hit_rate:.2f} reuse={self.reuse:.2f} wrong={self.wrong}"
        )

    def missed(self) -> tuple[str, ...]:
        """What isn't as promised, with both figures."""
        measured = {name: getattr(self, name) for name in PROMISED}
        short = [
            f"{name} is {value:.2f}, promised is at least {PROMISED[name]}" for name, value in measured.items() if value < PROMISED[name]
        ]
        return (*short, *((f"{self.wrong} wrong answers",) if self.wrong else ()))


def figures(document: dict[str, Any], reuse: float) -> Figures:
    """Of a result document (slipstream_loadtest.report). Medians over the repeats; wrong answers of both sides."""
    rows = {row["metric"]: row for row in document["comparison"]}
    p95, throughput = rows["latency.p95"], rows["throughput"]
    layers = level(document, "Layers")
    return Figures(
        read_p95_ratio=_ratio(p95["baseline"], p95["candidate"]),
        throughput_ratio=_ratio(throughput["candidate"], throughput["baseline"]),
        hit_rate=(layers["cache"]["hitPercent"] or 0.0) / 100,
        reuse=reuse,
        wrong=sum(one["wrong"] for one in document["stages"]),
    )


def level(document: dict[str, Any], target: str) -> dict[str, Any]:
    """The one stage of the demo, on one target."""
    found: dict[str, Any] = next(one for one in document["stages"] if one["target"] == target)
    return found


def table_rows(document: dict[str, Any], reuse: float, memory: tuple[int, int]) -> list[tuple[str, ...]]:
    """Rows of (what, baseline, optimised, change with interval, verdict). `memory`: bytes of the server, and of server and layers."""
    direct, layers = level(document, "Direct"), level(document, "Layers")
    named = {"latency.p50": "latency p50", "latency.p95": "latency p95", "throughput": "throughput"}
    rows = [_compared(named[row["metric"]], row) for row in document["comparison"] if row["metric"] in named]
    rows += [
        ("hit rate", "-", _percent(layers["cache"]["hitPercent"]), "", ""),
        ("connection reuse (to the server)", "-", f"{reuse:.1%}", "", ""),
        ("errors", _percent(direct["errorsPercent"]), _percent(layers["errorsPercent"]), "", ""),
        ("wrong answers", str(direct["wrong"]), str(layers["wrong"]), "", ""),
        ("memory (server | server + layers)", f"{memory[0] >> 20} MiB", f"{memory[1] >> 20} MiB", "", ""),
    ]
    return rows


def _compared(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    if row["change"] is None or row["interval"] is None:
        return (name, _value(row, "baseline"), _value(row, "candidate"), row["message"], row["result"])
    low, high = (f"{bound - 1:+.0%}" for bound in row["interval"])
    return (name, _value(row, "baseline"), _value(row, "candidate"), f"{row['change'] - 1:+.0%} [{low}, {high}]", row["result"])


def _value(row: dict[str, Any], side: str) -> str:
    value = row[side]
    if value is None:
        return "-"
    return f"{value:,.0f}/s" if row["metric"] == "throughput" else f"{value:,.2f} ms"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} %"


def _ratio(a: float | None, b: float | None) -> float:
    return a / b if a and b else 0.0
