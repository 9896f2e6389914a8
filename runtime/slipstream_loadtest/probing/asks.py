"""What a probe sends, and what it expects of the answer: the check's write and read, or the scenarios' own steps. Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from slipstream_loadtest.plan.asked import Isolation
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.scenarios import DataList, HttpRequest, Step
from slipstream_loadtest.plan.template import Encoding, TemplateError, as_is, in_header, in_json, in_path, parse

READS: Final = 2  # a round's of each question: the second one may come from a cache
SAFE: Final = ("GET", "HEAD")
_ANY_SUCCESS: Final = tuple(range(200, 300))


class Ask(NamedTuple):
    """One call of every session. `probe`: its answer is looked at. `own`: it must hold the session's own mark."""

    request: HttpRequest
    status: tuple[int, ...] = _ANY_SUCCESS
    probe: bool = True
    own: bool = True


class Rendered(NamedTuple):
    """A request as it is sent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def asks_of(plan: Plan, asked: Isolation) -> tuple[Ask, ...]:
    """The calls of a round, one after another; every session makes each of them at the same time as all others."""
    if asked.write is not None and asked.read is not None:
        return (Ask(asked.write, probe=False), *(Ask(asked.read) for _ in range(READS)))
    found: list[Ask] = []
    for scenario in plan.scenarios:
        for step in scenario.steps:
            if _is_whole(step.http, plan.data):
                ask = Ask(step.http, step.expect.status, own=_names_session(step))
                found += [ask] * (READS if step.http.method in SAFE else 1)
    return tuple(found)


def values_of(plan: Plan, session: int, name: str, mark: str, round_: int) -> dict[str, str]:
    """What templates are filled with. Rows go by the round, so that all sessions ask the same at the same time."""
    values = {"user": str(session), "session": name, "iteration": str(round_), "canary": mark}
    for one in plan.data:
        row = one.rows[round_ % len(one.rows)]
        names = [f"{one.name}.{column}" for column in one.columns] if one.columns else [one.name]
        values |= dict(zip(names, row, strict=False))
    return values


def render(request: HttpRequest, values: Mapping[str, str]) -> Rendered:
    """A request with its templates filled. Raises TemplateError for a name without a value."""
    named = {name.lower(): value for name, value in request.headers}
    body_as = in_json if "json" in named.get("content-type", "json") else as_is
    headers = tuple((name, _filled(value, values, in_header)) for name, value in request.headers)
    if request.body and "content-type" not in named:
        headers += (("Content-Type", "application/json"),)
    body = _filled(request.body, values, body_as).encode()
    return Rendered(request.method, _filled(request.path, values, in_path), headers, body)


def _filled(text: str, values: Mapping[str, str], encoding: Encoding) -> str:
    return "".join(piece if isinstance(piece, str) else encoding(values[piece.name]).decode() for piece in parse(text, values))


def _is_whole(request: HttpRequest, data: Sequence[DataList]) -> bool:
    """Whether it can be asked by itself; a step that uses what an earlier answer gave can't."""
    names = [f"{one.name}.{column}" for one in data for column in one.columns] + [one.name for one in data]
    try:
        render(request, dict.fromkeys((*names, "user", "session", "iteration", "canary"), "x"))
    except TemplateError:
        return False
    return True


def _names_session(step: Step) -> bool:
    """Whether a right answer names its session, by what the plan expects of it."""
    texts = (*step.expect.contains, *(check.equals or "" for check in step.expect.json))
    return any("${session}" in text for text in texts)
