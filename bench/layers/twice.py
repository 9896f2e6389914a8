"""Whether a layer is counted twice: layers together may call nothing more often than the whole path does. Pure but for sys.setprofile;
knows no layer. Sees ordinary Python only: what is compiled tells nobody of its calls."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final

TIMES: Final = 64  # requests that calls are counted of: what happens once in a while rounds to nothing
OURS: Final = "/slipstream_runtime/"


def calls(operation: Callable[[int], None], times: int = TIMES, of: str = OURS) -> Counter[str]:
    """How often each function of files with `of` in their path is called, in so many operations."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and of in code.co_filename:
            found[f"{code.co_filename.rpartition(of)[2]}:{code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        operation(times)
    finally:
        sys.setprofile(before)
    return found


def twice(layers: Mapping[str, Counter[str]], whole: Counter[str], times: int = TIMES) -> list[str]:
    """What layers count that the whole doesn't do, or not so often; each with the layers that do it."""
    found = []
    for function in sorted(set().union(*layers.values())):
        by = [name for name, counted in layers.items() if counted[function]]
        did, does = sum(layers[name][function] for name in by), whole[function]
        if did - does > times // 2:
            found.append(f"{function} is called {did / times:.0f} times by: {', '.join(by)}; by a request {does / times:.0f} times")
    return found


def same(layers: Iterable[tuple[str, object]]) -> list[str]:
    """Operations that have two names; of those that call nothing, calls tell nothing."""
    names: dict[object, list[str]] = {}
    for name, operation in layers:
        names.setdefault(operation, []).append(name)
    return [f"{' and '.join(by)} are one operation" for by in names.values() if len(by) > 1]
