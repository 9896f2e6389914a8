"""What the path patterns of an invalidation end: paths that are filled in from the write's own, or all answers of some rules. Pure.

A pattern whose variables all occur in the write's template names one path, so a write costs one hash a pattern. Any other one may name
any number of paths, of which nothing is kept: it ends every answer of each rule that could hold one of them. More than needed, never
less."""

from __future__ import annotations

from collections.abc import Iterable

from slipstream_api.config import Invalidation, Match
from slipstream_runtime.cores.matching import segments


class PathFill:
    """A pattern that names one path for each write."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: list[tuple[str, int]]) -> None:
        self._pieces = pieces  # by segment: as it stands, or where the write's path has it

    def of(self, path: str) -> str:
        """The path that a write to `path` ends."""
        own = segments(path)
        return "/" + "/".join([own[place] if place >= 0 else piece for piece, place in self._pieces])


class Ends:
    """One invalidation, as a router has it: its match, the scopes that it ends always, and the paths that it fills in."""

    __slots__ = ("fills", "match", "name", "scopes")

    def __init__(self, name: str, match: Match, scopes: tuple[int, ...], fills: tuple[PathFill, ...]) -> None:
        self.name = name
        self.match = match
        self.scopes = scopes
        self.fills = fills


def fills(invalidation: Invalidation) -> tuple[list[PathFill], list[str]]:
    """The patterns of an invalidation that name one path, and those that don't."""
    match = invalidation.match
    pieces = segments(match.path) if match.path_kind == "Template" else []
    places = {piece: place for place, piece in enumerate(pieces) if piece[:1] == "{"}
    filled: list[PathFill] = []
    wide: list[str] = []
    for pattern in invalidation.paths:
        wanted = segments(pattern)
        if all(piece[:1] != "{" or piece in places for piece in wanted):
            filled.append(PathFill([(piece, places.get(piece, -1)) for piece in wanted]))
        else:
            wide.append(pattern)
    return filled, wide


def touched(patterns: Iterable[str], match: Match) -> bool:
    """Whether some path fits both one of the patterns and `match`."""
    return any(_overlap(segments(pattern), match) for pattern in patterns)


def _overlap(pattern: list[str], match: Match) -> bool:
    if match.protocol not in ("Any", "HTTP") or match.path_kind == "All":
        return match.protocol in ("Any", "HTTP")
    own = segments(match.path)
    if match.path_kind == "Prefix":
        own = segments(match.path.rstrip("/"))
        return len(pattern) >= len(own) and _alike(pattern[: len(own)], own, literal=True)
    return len(pattern) == len(own) and _alike(pattern, own, literal=match.path_kind == "Exact")


def _alike(pattern: list[str], own: list[str], literal: bool) -> bool:
    """Segment by segment: equal, or a variable of one of them; with `literal` what looks like a variable in `own` is none."""
    return all(
        wanted == piece or wanted[:1] == "{" or (piece[:1] == "{" and not literal) for wanted, piece in zip(pattern, own, strict=True)
    )
