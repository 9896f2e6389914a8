"""What each layer costs in this process: nanoseconds, or under valgrind instructions; prints JSON for table.py, who starts it.

    python -m layers.costs W0|W1 COUNT [--forks|--whole] [--break LAYER]

Under valgrind each layer is done by two children, one of which does it twice as often: their difference is what it costs, and start and
warm-up happen once. This prints who they were; valgrind's files say what they cost. `--whole`: of the whole path alone. In ordinary Python,
without valgrind, it says as well what layers count twice."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
from collections.abc import Callable
from typing import Any

from layers.operations import Layer, layers, nothing
from layers.rig import Rig, rig
from layers.sums import NOTHING, WHOLE
from layers.twice import TIMES, calls, same, twice
from slipstream_runtime.proxy import client
from timing import Operation, best_of


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", choices=("W0", "W1"))
    parser.add_argument("count", type=int)
    parser.add_argument("--forks", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--break", dest="broken", default="")
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(both(chosen))))


async def both(chosen: argparse.Namespace) -> dict[str, Any]:
    """Of both paths. In a coroutine, since parts of a runtime want a loop; nothing waits."""
    found: dict[str, Any] = {"costs": {}, "functions": {}, "twice": []}
    ordinary = (client.__file__ or "").endswith(".py")
    count, forks = chosen.count, chosen.forks or chosen.whole
    for way in ("hit", "pass"):
        on = await rig(way, chosen.work == "W1")
        listed = layers(on)
        listed += [layer._replace(name=f"{layer.name} (again)") for layer in listed if layer.name == chosen.broken]
        found["functions"][way] = {layer.name: layer.functions for layer in listed}
        all_of_it = {WHOLE: on.whole}
        if not chosen.whole:
            all_of_it |= {NOTHING: nothing, **{layer.name: layer.make for layer in listed}}
        found["costs"][way] = {name: forked(make, count) if forks else best_of(make, count) for name, make in all_of_it.items()}
        if ordinary and not forks:
            found["twice"] += counted_twice(on, listed)
    return found


def forked(make: Callable[[int], Operation], count: int) -> list[int]:
    """Who did it `count` times, and who twice as often."""
    operation = make(2 * count)
    gc.collect()
    gc.freeze()
    done = []
    for times in (count, 2 * count):
        child = os.fork()
        if not child:
            operation(times)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("a child failed")
        done.append(child)
    gc.unfreeze()
    return done


def counted_twice(on: Rig, listed: list[Layer]) -> list[str]:
    whole = calls(on.whole(TIMES))
    return same([(layer.name, layer.make.func) for layer in listed]) + twice(
        {layer.name: calls(layer.make(TIMES)) for layer in listed}, whole
    )


if __name__ == "__main__":
    main()
