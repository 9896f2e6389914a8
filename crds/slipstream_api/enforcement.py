"""Fields that are accepted but not enforced yet, so that none is silently ignored. Pure; a row goes when its feature comes.

Paths are those of the YAML, `[]` stands for every item. A row applies when the field is set to something else than its inert value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic.alias_generators import to_snake

from slipstream_api.resources import Resource


@dataclass(frozen=True, slots=True)
class Unenforced:
    """One field; `inert`: values with which nothing is missing."""

    kind: str
    path: str
    inert: tuple[Any, ...]


TABLE: Final = (
    Unenforced("ConnectionPool", "upstream.protocol", ("HTTP",)),
    Unenforced("CachePolicy", "rules[].match.mcp", (None,)),
    Unenforced("CachePolicy", "rules[].match.sql", (None,)),
    Unenforced("CachePolicy", "invalidations[].match.mcp", (None,)),
    Unenforced("CachePolicy", "invalidations[].match.sql", (None,)),
    Unenforced("CircuitBreaker", "rules[].match.mcp", (None,)),
    Unenforced("CircuitBreaker", "rules[].match.sql", (None,)),
)


def not_enforced(resource: Resource) -> tuple[str, ...]:
    """Paths below `spec` that are set and not enforced, like `rules[recall].match.mcp`, in the order of the table."""
    found = []
    for row in TABLE:
        if row.kind == resource.kind:
            found += [path for path, value in _values(resource.spec, row.path.split("."), "") if value not in row.inert]
    return tuple(found)


def _values(value: Any, path: list[str], prefix: str) -> Iterator[tuple[str, Any]]:
    if not path:
        yield prefix, value
        return
    if value is None:  # an optional part that isn't there leaves nothing to enforce
        return
    step, rest = path[0], path[1:]
    inner = getattr(value, to_snake(step.removesuffix("[]")))
    here = f"{prefix}.{step.removesuffix('[]')}" if prefix else step.removesuffix("[]")
    if step.endswith("[]"):
        for item in inner:
            yield from _values(item, rest, f"{here}[{item.name}]")
    else:
        yield from _values(inner, rest, here)
