"""All benchmarks one after another, each in a process of its own; measures nothing itself.

    python bench/run.py [--only NAME]

Prints each one's output as it comes, and the last lines together at the end. Ends with 1 where one of them failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("cores", "store", "eviction", "hotpath", "datapath", "loadgen", "injector")


def run(name: str) -> tuple[int, str]:
    """Exit code and last line of one benchmark."""
    print(f"== {name}", flush=True)
    last = ""
    with subprocess.Popen([sys.executable, str(HERE / f"{name}.py")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=NAMES, help="one of them")
    only = parser.parse_args().only
    ended = {name: run(name) for name in NAMES if only in (None, name)}
    print("== summary")
    for name, (code, last) in ended.items():
        print(last if code == 0 else f"{name}: failed, exit {code}")
    return int(any(code for code, _ in ended.values()))


if __name__ == "__main__":
    sys.exit(main())
