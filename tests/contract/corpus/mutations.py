"""Makes documents that are wrong in ways nobody thought of: a full resource with a few random changes, the same for the same seed.

Judges nothing: the API server and `slipstream_api.validate` get the same document, and have to refuse the same field paths.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import yaml

from slipstream_api.yamlread import read_documents
from tests.contract.corpus.reader import cases

Path = tuple[str | int, ...]

# Values around bounds, of wrong types, and right ones in wrong places. Whole floats are left out: YAML's reader makes numbers of them.
VALUES: tuple[Any, ...] = yaml.safe_load("""
- [null, true, false, 0, -1, 1, 2, 99, 100, 101, 1000, 65536, 100001, 10000001, 2147483648, 9223372036854775807, -9223372036854775808, 1.5]
- ["", x, X, "0s", 1s, 5m, 10m, 100h, "99999h99999h", 1ms, "-5s", 1.5s, "0", "1h1h1h1h1h", 64Mi, "-1", 1.5Gi, "999999999999Ti", "5e4", 1n]
- ["+5", "1E"]
- [a b, /, /a//b, "/a?b", "/a/../b", "/a/..", "/{x", "/{x}/{y}", "/a{x}", é, "a\\n", "5m\\n", 5xx, GET, POST, Enforce, Header]
- [Shared, Static, StaleCache]
- ["None", memory, "http://a:1", "http://a@b", "https://[::1]:80", "http://a b", a..b, "a.", "p95", latency.p95, errors.percent, "50", 2k]
- [[], {}, [null], [a], [1], {a: 1}, {a: b}]
""")
CHANGES: tuple[Any, ...] = tuple(value for row in VALUES for value in row) + tuple(
    "é" * 40 if size == 40 else "a" * size for size in (40, 64, 65, 129, 254, 1025, 4097)
)


def bases() -> dict[str, list[dict[str, Any]]]:
    """The good documents of the corpus, of each kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases():
        if not case.refused:
            found.setdefault(case.kind, []).append(read_documents(case.text)[0].value)
    return found


def mutant(seed: int, good: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """One document; most seeds give a bad one."""
    dice = random.Random(seed)
    documents = good[dice.choice(sorted(good))]
    largest = max(documents, key=lambda document: len(str(document)))
    document = copy.deepcopy(largest if dice.random() < 0.7 else dice.choice(documents))
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        places = [path for path in _paths(document.get("spec"), ("spec",)) if len(path) > 1]
        if places:
            _change(document, dice.choice(places), places, dice)
    return document


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _change(document: dict[str, Any], path: Path, places: list[Path], dice: random.Random) -> None:
    """Removes, replaces, repeats, lengthens or moves what stands at `path`, or adds a field there."""
    parent, last = _at(document, path[:-1]), path[-1]
    here, what = parent[last], dice.random()
    if what < 0.25:
        del parent[last]
    elif what < 0.65:
        parent[last] = copy.deepcopy(dice.choice(CHANGES))
    elif what < 0.75 and isinstance(parent, list):
        parent.append(copy.deepcopy(here))
    elif what < 0.8 and isinstance(here, dict):
        here[dice.choice(("foo", "Name", "max", "headers"))] = copy.deepcopy(dice.choice(CHANGES))
    elif what < 0.85 and isinstance(here, list):
        here.extend(copy.deepcopy(here) * dice.choice((1, 7, 20)))
    elif what < 0.9 and isinstance(here, str):
        parent[last] = here * dice.choice((2, 10, 100))
    else:
        other = dice.choice(places)
        if other[: len(path)] != path:
            parent[last] = copy.deepcopy(_at(document, other))
