"""What a rule is, and the parts that several rules share. Pure; knows no kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api.cel import duration

Value = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """`kinds`: where it applies. `at`: the schema that carries it (`spec.limits`, `spec.rules[].ttl`; empty: the resource).

    `holds` is the twin of `cel`: it gets the value there as the API server sees it, with the defaults of members of objects filled in and
    those of list items not. A ValueError of it counts as broken, as an error of CEL's does.
    """

    kinds: tuple[str, ...]
    at: str
    cel: str
    message: str
    holds: Callable[[Any], bool]


def count(value: Value, *fields: str) -> int:
    """How many of the fields are set."""
    return sum(1 for field in fields if field in value)


def more_than_zero(kind: str, at: str) -> Rule:
    """A duration that must not be 0."""
    return Rule((kind,), at, "duration(self) > duration('0s')", "must be more than 0", lambda v: duration(v) > 0)


def one_of(kind: str, at: str, fields: tuple[str, ...], empty: bool = False) -> Rule:
    """Exactly one of the fields, or at most one where `empty` is allowed."""
    named = f"{', '.join(fields[:-1])} and {fields[-1]}"
    cel = f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(x, x).size() {'<= 1' if empty else '== 1'}"
    message = f"{'at most' if empty else 'exactly'} one of {named} must be set"
    return Rule((kind,), at, cel, message, lambda v: count(v, *fields) <= 1 if empty else count(v, *fields) == 1)


# A path of a match is compared as it is sent, so one that isn't in normal form would never match.
_INSIDE: Final = ("//", "/./", "/../", "?", "#")
_AT_END: Final = ("/.", "/..")
_NORMAL_PATH: Final = " && ".join(
    (*(f"!self.contains('{oddity}')" for oddity in _INSIDE), *(f"!self.endsWith('{oddity}')" for oddity in _AT_END))
)
_TEMPLATE: Final = "^(/([^/{}]*|[{][^/{}]+[}]))+$"


def match_rules(kind: str, rules: str, empty: bool = False) -> tuple[Rule, ...]:
    """Of the `match` of rules; `empty`: whether it may be about everything."""
    http = f"{rules}.match.http"
    return (
        one_of(kind, f"{rules}.match", ("http", "mcp", "sql"), empty),
        one_of(kind, http, ("path", "pathPrefix", "pathTemplate"), empty),
        *(normal_path(kind, f"{http}.{field}") for field in ("path", "pathPrefix", "pathTemplate")),
        template(kind, f"{http}.pathTemplate"),
    )


def template(kind: str, at: str) -> Rule:
    """A path that may have variables."""
    return Rule(
        (kind,),
        at,
        f"self.matches('{_TEMPLATE}')",
        "braces must enclose a whole segment, like /users/{id}/orders",
        lambda path: re.fullmatch(_TEMPLATE[1:-1], path) is not None,
    )


def normal_path(kind: str, at: str) -> Rule:
    """A path as a request can have it."""
    return Rule(
        (kind,),
        at,
        _NORMAL_PATH,
        "write the path as it is sent: without ?, #, // and segments . and ..",
        lambda path: not any(oddity in path for oddity in _INSIDE) and not path.endswith(_AT_END),
    )
