"""The one table of rules over values: each with its CEL text for the API server and a Python twin for everybody else. Pure.

CRDs are generated from it and `validate` runs it, so that what the server refuses the standalone command refuses too. What a type, a bound
or a pattern can say stands in the models.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from slipstream_api.rules.loadtests import LOADTEST_RULES
from slipstream_api.rules.policies import BREAKER_RULES, CACHE_RULES
from slipstream_api.rules.pools import POOL_RULES
from slipstream_api.rules.rule import Rule

_NAME: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        ("ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest"),
        "",
        f"self.metadata.name.size() <= 40 && self.metadata.name.matches('{_NAME}')",
        "metadata.name: at most 40 of a-z, 0-9 and -, starting with a letter and ending with none of -",
        lambda v: len(v["metadata"]["name"]) <= 40 and re.fullmatch(_NAME[1:-1], v["metadata"]["name"]) is not None,
    ),
    *POOL_RULES,
    *CACHE_RULES,
    *BREAKER_RULES,
    *LOADTEST_RULES,
)


@cache
def rules_at(kind: str, path: str) -> tuple[Rule, ...]:
    """The rules that the schema at `path` of a kind carries."""
    return tuple(rule for rule in RULES if kind in rule.kinds and rule.at == path)


__all__ = ["RULES", "Rule", "rules_at"]
