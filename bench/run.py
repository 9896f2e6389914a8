"""All benchmarks one after another, each in a process of its own; measures nothing itself.

    python bench/run.py [--only NAME,NAME] [--json PATH]

Prints each one's output as it comes, then a table: every bar with what was measured, and the last line of each benchmark. `--json`
writes the same to a file. Ends with 1 where a benchmark failed or a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import bars

HERE = Path(__file__).parent
NAMES = ("cores", "store", "eviction", "hotpath", "datapath", "crowd", "herd", "mixed", "loadgen", "injector")


class Ended(NamedTuple):
    """What one benchmark came to."""

    name: str
    code: int
    last: str
    bars: list[bars.Bar]

    def figures(self) -> dict[str, str]:
        """What its last line says, where that is `name: figure=value …`."""
        head, _, rest = self.last.partition(": ")
        return dict(word.split("=", 1) for word in rest.split() if "=" in word) if head == self.name else {}


def run(name: str) -> Ended:
    print(f"== {name}", flush=True)
    last, found = "", []
    with subprocess.Popen([sys.executable, str(HERE / f"{name}.py")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
            if (bar := bars.parse(line)) is not None:
                found.append(bar)
    return Ended(name, process.returncode, last, found)


def summary(ended: list[Ended]) -> list[str]:
    """The table's lines."""
    lines = [f"  {bar}" for each in ended for bar in each.bars]
    for each in ended:
        if each.code and all(bar.met for bar in each.bars):
            lines.append(f"  {each.name}: failed, exit {each.code}: {each.last}")
        elif each.figures():
            lines.append(f"  {each.last}")
    return lines


def as_json(ended: list[Ended]) -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "benchmarks": {
            each.name: {
                "exit": each.code,
                "figures": each.figures(),
                "bars": [bar._asdict() | {"met": bar.met} for bar in each.bars],
            }
            for each in ended
        },
    }


def names(text: str) -> list[str]:
    if unknown := set(text.split(",")) - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: one or more of {','.join(NAMES)}")
    return [name for name in NAMES if name in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=names, default=list(NAMES), help="some of them, with commas")
    parser.add_argument("--json", type=Path, help="a file for the results")
    chosen = parser.parse_args()
    ended = [run(name) for name in chosen.only]
    print("== summary", *summary(ended), sep="\n")
    if chosen.json is not None:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(as_json(ended), indent=2) + "\n")
    return int(any(each.code for each in ended))


if __name__ == "__main__":
    sys.exit(main())
