"""How often a comparison is right, over simulated runs with known truth (simulated.py); nothing is sent anywhere.

    python bench/loadtest_verdicts.py [--aa 200] [--slower 100] [--repeats 6] [--hold 4000]

A/A: a target with itself has to be NoChange, in all rows together. With 20 % more latency p50 and p95 have to be Regressed. Against a
stored run as well: no bar, since a drift between the two runs is a change that nobody can tell from the target's. Prints a bar each and
`loadtest_verdicts: aa=… slower=… stored_aa=… stored_slower=…` (percent); ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys

from bars import Bar, judge
from simulated import a_plan, a_run
from slipstream_loadtest.judged.alike import Baseline
from slipstream_loadtest.judged.comparison import ComparisonRow, compare

SLOWER = 1.2
BAR = 95.0


def rows(seed: int, injected: float, repeats: int, hold_ms: int, *, stored: bool) -> tuple[ComparisonRow, ...]:
    plan = a_plan(repeats, hold_ms, stored=stored, seed=seed)
    baseline: Baseline | None = (plan, a_run(plan, 2 * seed)) if stored else None
    return compare(plan, a_run(plan, 2 * seed + 1, injected), baseline)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--aa", type=int, default=200, help="seeds of A/A")
    parser.add_argument("--slower", type=int, default=100, help="seeds of +20 %%")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--hold", type=int, default=4_000, help="milliseconds of a repeat")
    chosen = parser.parse_args()
    shares = {}
    for stored in (False, True):
        kept = found = 0
        for seed in range(chosen.aa):
            kept += all(row.result == "NoChange" for row in rows(seed, 1.0, chosen.repeats, chosen.hold, stored=stored))
        for seed in range(chosen.slower):
            made = rows(10_000 + seed, SLOWER, chosen.repeats, chosen.hold, stored=stored)
            found += all(row.result == "Regressed" for row in made if row.metric.startswith("latency."))
        prefix = "stored_" if stored else ""
        shares |= {f"{prefix}aa": 100 * kept / chosen.aa, f"{prefix}slower": 100 * found / chosen.slower}
    code = judge(Bar(f"{name}_share", share, "%", ">=", BAR) for name, share in shares.items() if not name.startswith("stored"))
    print("loadtest_verdicts:", " ".join(f"{name}={share:.1f}" for name, share in shares.items()))
    return code


if __name__ == "__main__":
    sys.exit(main())
