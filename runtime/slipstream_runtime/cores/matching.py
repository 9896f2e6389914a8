"""Which rules match a method and a path: an index per layer, so that a request costs the same for one rule as for a thousand. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

from slipstream_api.config import Match

R = TypeVar("R")


def segments(path: str) -> list[str]:
    """What is between the slashes; `/a/b/` has an empty last one."""
    return path[1:].split("/") if path else []


class _Candidate(Generic[R]):
    __slots__ = ("literals", "match", "methods", "order", "rule")

    def __init__(self, order: int, match: Match, rule: R) -> None:
        self.order = order
        self.match = match
        self.rule = rule
        self.methods = frozenset(method.upper().encode("ascii") for method in match.methods)
        # Of a template: by place, the segment it must be; None for `{anything}`.
        self.literals = [None if piece[:1] == "{" and piece[-1:] == "}" else piece for piece in segments(match.path)]

    def takes(self, method: bytes) -> bool:
        return not self.methods or method in self.methods

    def fits(self, pieces: list[str]) -> bool:
        """A template fits: the same number of segments, those that are named equal, the others not empty."""
        return all(piece == literal if literal is not None else piece != "" for piece, literal in zip(pieces, self.literals, strict=True))


class Layer(Generic[R]):
    """The rules of one kind, in matching order (most specific first). Rules for other protocols than HTTP never match here."""

    __slots__ = ("_all", "_exact", "_methods", "_prefix", "_template")

    def __init__(self, rules: list[tuple[Match, R]]) -> None:
        self._all: list[_Candidate[R]] = []
        self._exact: dict[str, list[_Candidate[R]]] = {}
        self._prefix: dict[str, list[_Candidate[R]]] = {}
        self._template: dict[int, list[_Candidate[R]]] = {}
        self._methods: list[frozenset[bytes]] = []
        for order, (match, rule) in enumerate(rules):
            if match.protocol in ("Any", "HTTP"):
                self._add(_Candidate(order, match, rule))

    def _add(self, candidate: _Candidate[R]) -> None:
        match = candidate.match
        self._methods.append(candidate.methods)
        if match.path_kind == "Exact":
            self._exact.setdefault(match.path, []).append(candidate)
        elif match.path_kind == "Template":
            self._template.setdefault(len(candidate.literals), []).append(candidate)
        elif match.path_kind == "Prefix":
            self._prefix.setdefault(match.path.rstrip("/"), []).append(candidate)
        else:
            self._all.append(candidate)

    def _by_path(self, path: str) -> list[_Candidate[R]]:
        """The rules whose path fits, in no order."""
        found = self._all.copy()
        found += self._exact.get(path, ())
        if self._template:
            pieces = segments(path)
            found += [candidate for candidate in self._template.get(len(pieces), ()) if candidate.fits(pieces)]
        if self._prefix:
            found += self._prefix.get(path, ())
            at = path.find("/")
            while at >= 0:  # whole segments: `/api` takes `/api` and `/api/x`, not `/apix`
                found += self._prefix.get(path[:at], ())
                at = path.find("/", at + 1)
        return found

    def first(self, method: bytes, path: str) -> R | None:
        """The rule that a request falls under."""
        best: _Candidate[R] | None = None
        for candidate in self._by_path(path):
            if candidate.takes(method) and (best is None or candidate.order < best.order):
                best = candidate
        return best.rule if best is not None else None

    def all(self, method: bytes, path: str) -> list[R]:
        """Every rule that matches."""
        return [candidate.rule for candidate in self._by_path(path) if candidate.takes(method)]

    def admits(self, method: bytes) -> bool:
        """Some rule takes this method on some path."""
        return any(not methods or method in methods for methods in self._methods)
