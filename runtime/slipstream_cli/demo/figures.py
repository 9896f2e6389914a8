"""What a demo shows, computed from a judged run and the layers' own status; and whether it is what was promised. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROMISED = {"read_p95_ratio": 2.3, "throughput_ratio": 6.0, "hit_rate": 0.75, "reuse": 0.85}
COMPARED = {"latency.p50": "latency p50", "latency.p95": "latency p95", "throughput": "throughput"}
# A generator that lags only makes latencies longer and throughput smaller, and each row of the comparison has accounted for it.
TOLERATED = frozenset({"Passed", "GeneratorSaturated"})


class NothingToShow(Exception):  # noqa: N818 - an answer, not a malfunction
    """The run has no comparison of the two sides; the message says why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`read_p95_ratio`: direct over layers. `throughput_ratio`: layers over direct. `hit_rate`, `reuse`: shares. `wrong`: answers.
    `doubts`: what the verdict holds against the run."""

    read_p95_ratio: float
    throughput_ratio: float
    hit_rate: float
    reuse: float
    wrong: int
    doubts: tuple[str, ...] = ()

    def line(self) -> str:
        """The last line of the demo. Cut off, not rounded: 84.9 % is never shown as 85."""
        return (
            f"demo: read_p95_ratio={_cut(self.read_p95_ratio, 10)} throughput_ratio={_cut(self.throughput_ratio, 10)} "
            f"hit_rate={_cut(self.hit_rate, 1000)} reuse={_cut(self.reuse, 1000)} wrong={self.wrong}"
        )

    def missed(self) -> tuple[str, ...]:
        """What isn't as promised, with both figures."""
        measured = {name: getattr(self, name) for name in PROMISED}
        short = [f"{name} is {value:.3f}, promised is {PROMISED[name]}" for name, value in measured.items() if value < PROMISED[name]]
        wrong = [f"{self.wrong} wrong answers, promised are none"] if self.wrong else []
        return (*short, *wrong, *self.doubts)


def figures(document: dict[str, Any], reuse: float) -> Figures:
    """Of a result document (slipstream_loadtest.report.document). Medians over the repeats; wrong answers of both sides."""
    rows = {row["metric"]: row for row in document["comparison"]}
    if not rows.keys() >= COMPARED.keys():
        raise NothingToShow("the load test compares nothing: its spec needs comparison.baseline: Direct and a poolRef target")
    p95, throughput = rows["latency.p95"], rows["throughput"]
    layers = level(document, "Layers")
    return Figures(
        read_p95_ratio=_ratio(p95["baseline"], p95["candidate"]),
        throughput_ratio=_ratio(throughput["candidate"], throughput["baseline"]),
        hit_rate=(layers["cache"]["hitPercent"] or 0.0) / 100,
        reuse=reuse,
        wrong=sum(one["wrong"] for one in document["stages"]),
        doubts=(*_unproven(p95, throughput), *(f"{r['code']}: {r['message']}" for r in document["reasons"] if r["code"] not in TOLERATED)),
    )


def level(document: dict[str, Any], target: str) -> dict[str, Any]:
    """The stage of the demo, on one target."""
    found = next((one for one in document["stages"] if one["target"] == target), None)
    if found is None:
        raise NothingToShow(f"nothing was measured on the side {target}")
    return dict(found)


def aborted(document: dict[str, Any]) -> bool:
    return any(reason["code"] == "Aborted" for reason in document["reasons"])


def table_rows(document: dict[str, Any], reuse: float, memory: tuple[int, int]) -> list[tuple[str, ...]]:
    """Rows of (what, baseline, optimised, change with interval, verdict). `memory`: bytes of the server, and of server and layers."""
    direct, layers = level(document, "Direct"), level(document, "Layers")
    rows = [_compared(COMPARED[row["metric"]], row) for row in document["comparison"] if row["metric"] in COMPARED]
    rows += [
        ("hit rate", "-", _percent(layers["cache"]["hitPercent"]), "", ""),
        ("connection reuse", "-", _percent(reuse * 100), "", ""),
        ("errors", _percent(direct["errorsPercent"]), _percent(layers["errorsPercent"]), "", ""),
        ("wrong answers", str(direct["wrong"]), str(layers["wrong"]), "", ""),
        ("memory", f"{memory[0] >> 20} MiB", f"{memory[1] >> 20} MiB", "", ""),
    ]
    return rows


def _unproven(*rows: dict[str, Any]) -> list[str]:
    """A ratio of two medians is no change before the rank test and its interval say so."""
    return [f"{COMPARED[row['metric']]}: {row['result']}, {row['message']}".rstrip(", ") for row in rows if row["result"] != "Improved"]


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
    return "-" if value is None else f"{value:.1f} %"


def _ratio(a: float | None, b: float | None) -> float:
    return a / b if a and b else 0.0


def _cut(value: float, parts: int) -> str:
    return f"{int(value * parts) / parts:.{len(str(parts)) - 1}f}"
