"""Instructions that each layer of the data path costs a request, counted by valgrind: exact where times are noise. Judges nothing.

    python bench/instructions.py [--pure] [--work W0|W1]      # about a minute a line; needs Debian's valgrind

hotpath.py runs under cachegrind with one round of requests and with three; the difference is what they cost, without start and warm-up.
Prints `instructions: plain_w0=... breaker_w0=...`; `breaker` less `plain` is the breaker, `cache` less `plain` the miss, and so on.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from typing import Final

from hotpath import REQUESTS, WAYS
from servers import HERE, modules

ROUNDS: Final = (1, 3)
VALGRIND: Final = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


def counted(way: str, work: str, rounds: int, environment: dict[str, str]) -> int:
    """All instructions of one process."""
    return refs(
        subprocess.run(
            [*VALGRIND, sys.executable, str(HERE / "hotpath.py"), "--way", way, "--work", work, "--rounds", str(rounds)],
            env=environment | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stderr
    )


def refs(told: str) -> int:
    """The instructions of one process, out of what valgrind tells of it."""
    found = re.search(r"I\s+refs:\s+([\d,]+)", told)
    if found is None:
        raise SystemExit(f"instructions: valgrind counted nothing: {told[-500:]}")
    return int(found[1].replace(",", ""))


def has_valgrind() -> bool:
    """Says so where it is missing."""
    if shutil.which("valgrind") is None:
        print("instructions: valgrind is missing: apt-get install valgrind", file=sys.stderr)
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pure", action="store_true", help="never the compiled modules")
    parser.add_argument("--work", choices=("W0", "W1"), help="this one alone")
    chosen = parser.parse_args()
    if not has_valgrind():
        return 1
    environment, compiled = modules(chosen.pure)
    found = []
    for way in WAYS:
        for work in [chosen.work] if chosen.work else ("W0", "W1"):
            few, many = (counted(way, work, rounds, environment) for rounds in ROUNDS)
            each = (many - few) / (ROUNDS[1] - ROUNDS[0]) / REQUESTS
            print(f"{way:7} {work} {each:9,.0f} instructions a request", flush=True)
            found.append(f"{way}_{work.lower()}={each:.0f}")
    print("instructions:", *found, f"compiled={compiled}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
