"""Instructions of each layer, by valgrind: starts costs.py under it and reads what it counted. Judges and prints nothing.

Of ordinary Python each layer is counted by itself. A compiled one costs more by itself than in its place, since a call from the interpreter
is dearer than one between compiled modules: of those the whole path is counted, and callgrind says what its calls of a layer's functions
cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from instructions import VALGRIND, refs
from layers.callgraph import NONE, Calls, calls_of
from layers.sums import WHOLE, Costs
from servers import HERE

CALLGRIND: Final = ("valgrind", "--tool=callgrind")


def ran(command: Iterable[str], work: str, count: int, environment: dict[str, str], *options: str) -> dict[str, Any]:
    """What costs.py tells."""
    script = ["-m", "layers.costs", work, str(count), *(option for option in options if option)]
    places = os.pathsep.join(place for place in (environment.get("PYTHONPATH"), str(HERE)) if place)
    environment = environment | {"PYTHONHASHSEED": "0", "PYTHONPATH": places}
    done = subprocess.run([*command, *script], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def alone(work: str, count: int, environment: dict[str, str], broken: str) -> Costs:
    """Of each layer by itself."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = [*VALGRIND, f"--log-file={folder}/%p", sys.executable]
        told = ran(valgrind, work, count, environment, "--forks", broken)["costs"]
        counted = {int(name): refs((Path(folder) / name).read_text()) for name in os.listdir(folder)}
    return {way: {name: (counted[twice] - counted[once]) / count for name, (once, twice) in parts.items()} for way, parts in told.items()}


def in_place(work: str, count: int, environment: dict[str, str], broken: str) -> Costs:
    """Of each layer within the whole path; of compiled modules alone."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = [*CALLGRIND, f"--callgrind-out-file={folder}/%p", f"--log-file={folder}/log.%p", sys.executable]
        told = ran(valgrind, work, count, environment, "--whole", broken)
        found: Costs = {}
        for way, functions in told["functions"].items():
            once, twice = (calls_of((Path(folder) / str(child)).read_text()) for child in told["costs"][way][WHOLE])
            calls = {name: twice.get(name, NONE) - once.get(name, NONE) for name in twice}
            found[way] = {layer: sum(cost_of(name, calls, count) for name in names) for layer, names in functions.items()}
    return found


def cost_of(name: str, calls: Mapping[str, Calls], count: int) -> float:
    """Of a compiled function that each of `count` requests calls once; one that isn't called so has another name now, or was inlined."""
    found = calls.get(f"CPyDef_{name}", NONE)
    if found.times != count:
        raise SystemExit(f"layers: {count} requests call {name} {found.times} times: bench/operations.py has to name what they call")
    return found.cost / count
