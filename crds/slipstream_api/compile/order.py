"""In which order rules are tried: the most specific match first. Pure."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import Match

_KINDS: Final = {"Exact": 0, "Template": 1, "Prefix": 2, "All": 3}


def specificity(match: Match, name: str) -> tuple[int, int, int, int, int, str]:
    """Sort key: exact path, then template (more literal segments first), prefix (longer first), all; named methods before any; by name."""
    any_protocol = 1 if match.protocol == "Any" else 0
    literal = sum(1 for segment in match.path.split("/") if segment and not segment.startswith("{"))
    any_method = 0 if match.methods else 1
    return (any_protocol, _KINDS[match.path_kind], -literal, -len(match.path), any_method, name)
