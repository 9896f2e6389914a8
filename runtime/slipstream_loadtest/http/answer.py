"""What makes an answer the right one beyond its status, and what later steps take from it. Pure: sees bytes, sends nothing.

JMESPath by its own library. A plan that asks for none of this has no Answer at all, and pays nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from slipstream_loadtest.http.head import Head
from slipstream_loadtest.measured.tally import WRONG
from slipstream_loadtest.plan.scenarios import Expect, Extract
from slipstream_loadtest.plan.template import TemplateError

Values = dict[str, str]  # what earlier steps of the iteration have extracted
Fill = Callable[[int, int, Values], bytes]  # a template of one user, by iteration, draw and values

_ABSENT: Final = object()


class Search(Protocol):
    """A compiled JMESPath expression."""

    def search(self, value: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class TakenValue:
    """A value for later steps. `search` or `header` says where it is; `for_header`: it will stand in a header, which bears no control
    characters."""

    name: str
    search: Search | None
    header: bytes
    for_header: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that is asked of one step's answers, for one user."""

    contains: tuple[Fill, ...] = ()
    headers: tuple[tuple[bytes, Fill], ...] = ()
    json: tuple[tuple[Search, Fill | None], ...] = ()
    taken: tuple[TakenValue, ...] = ()

    def judge(self, head: Head, body: bytes | bytearray, iteration: int, drawn: int, values: Values) -> str:
        """Empty for a right answer, whose extracted values are put into `values`; else WRONG."""
        if not self.holds(body, iteration, drawn, values):
            return WRONG
        for name, fill in self.headers:
            wanted, given = fill(iteration, drawn, values), head.header(name)
            if not given or (wanted and wanted not in given):
                return WRONG
        if not self.json and not self.taken:
            return ""
        document = _document(body) if self.json or any(one.search is not None for one in self.taken) else None
        for search, wanted_value in self.json:
            if not _found(search, document, None if wanted_value is None else wanted_value(iteration, drawn, values)):
                return WRONG
        return "" if all(_take(one, head, document, values) for one in self.taken) else WRONG

    def holds(self, body: bytes | bytearray, iteration: int, drawn: int, values: Values) -> bool:
        """Whether the body has all texts."""
        return all(fill(iteration, drawn, values) in body for fill in self.contains)


def compiled(expression: str) -> Search:
    """Raises TemplateError for an expression that isn't JMESPath."""
    try:
        return jmespath.compile(expression)  # type: ignore[no-any-return]  # the library has no types
    except JMESPathError as error:
        raise TemplateError(f"{expression!r} isn't JMESPath: {' '.join(str(error).split())}") from None


def taken_value(asked: Extract, for_header: bool) -> TakenValue:
    """Raises TemplateError."""
    if bool(asked.json) == bool(asked.header):
        raise TemplateError(f"extract {asked.name}: set json or header, one of them")
    return TakenValue(asked.name, compiled(asked.json) if asked.json else None, asked.header.lower().encode(), for_header)


def needs_body(expect: Expect, extract: tuple[Extract, ...]) -> bool:
    return bool(expect.contains or expect.json or any(one.json for one in extract))


def _document(body: bytes | bytearray) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _ABSENT


def _search(search: Search, document: Any) -> Any:
    if document is _ABSENT:
        return None
    try:
        return search.search(document)
    except (JMESPathError, TypeError, ValueError):  # a function that doesn't take what is there
        return None


def _found(search: Search, document: Any, wanted: bytes | None) -> bool:
    """The expression's value is the wanted one: a text as it stands, anything else as JSON; None: any but null or false."""
    found = _search(search, document)
    if wanted is None:
        return found is not None and found is not False
    if isinstance(found, str):
        return found.encode() == wanted
    try:
        return document is not _ABSENT and _same(found, msgspec.json.decode(wanted))
    except msgspec.DecodeError:
        return False


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON: 1 is 1.0, yet true isn't 1."""
    return found is wanted if isinstance(found, bool) or isinstance(wanted, bool) else bool(found == wanted)


def _take(one: TakenValue, head: Head, document: Any, values: Values) -> bool:
    """Puts a value where later steps find it; False where there is none, or it can't go where it is needed."""
    if one.search is not None:
        found = _search(one.search, document)
        value = found if isinstance(found, str) else None if found is None else json.dumps(found)
    else:
        given = head.header(one.header)
        value = given[0].decode("latin-1") if given else None
    if value is None or (one.for_header and any(ord(c) < 32 or ord(c) == 127 for c in value)):
        return False
    values[one.name] = value
    return True
