"""Scenarios of a LoadTest → those of a plan, with every template checked against what is known where it stands. Pure; renders nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from slipstream_api.scalars import parse_duration
from slipstream_loadtest.plan.asked import Checks
from slipstream_loadtest.plan.refused import PlanRefused
from slipstream_loadtest.plan.scenarios import Expect, Extract, HttpRequest, JsonCheck, Scenario, Step, ThinkTime
from slipstream_loadtest.plan.template import BUILT_IN, TemplateError, parse

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec
    from slipstream_api.models import loadtest as api

CANARY: Final = "canary"
_CUT: Final = 10  # an exponential wait is cut at so many times its mean: one in 22,000 is

Templates = Iterator[tuple[str, str]]  # field path below a step, text


def scenarios(spec: LoadTestSpec) -> tuple[Scenario, ...]:
    """The scenarios of a spec. Raises PlanRefused for a think time that nobody would take."""
    waiting = [scenario.name for scenario in spec.scenarios if scenario.think_time is not None]
    if waiting and all(stage.users is None for stage in spec.stages):
        message = "has no effect, arrivals of open stages come at their rate: remove it, or give a stage users"
        raise PlanRefused(f"spec.scenarios[{waiting[0]}].thinkTime", message)
    return tuple(
        Scenario(name=one.name, weight=one.weight, steps=tuple(map(_step, one.steps)), think_time=_think(one.think_time))
        for one in spec.scenarios
    )


def http_request(http: api.HttpStep) -> HttpRequest:
    return HttpRequest(method=http.method, path=http.path, headers=tuple(sorted(http.headers.items())), body=http.body or "")


def check_templates(made: tuple[Scenario, ...], checks: Checks, data: Collection[str]) -> None:
    """Every template of a plan; raises PlanRefused with the field. `data`: names that the lists give."""
    for scenario in made:
        known = set(data)
        for step in scenario.steps:
            path = f"spec.scenarios[{scenario.name}].steps[{step.name}]"
            _check(_templates(step), known, path)
            known |= _extracted(step, data, path)
    if checks.isolation is not None:
        for field, request in (("write", checks.isolation.write), ("read", checks.isolation.read)):
            if request is not None:
                _check(_of_request(request, field), {*data, CANARY}, "spec.checks.isolation")


def _extracted(step: Step, data: Collection[str], path: str) -> set[str]:
    """The names that later steps know by this one."""
    for extract in step.extract:
        if extract.name in BUILT_IN or extract.name in data:
            raise PlanRefused(f"{path}.extract[{extract.name}]", f"${{{extract.name}}} has a value already: choose another name")
        if bool(extract.json) == bool(extract.header):
            raise PlanRefused(f"{path}.extract[{extract.name}]", "set json or header, one of them")
    return {extract.name for extract in step.extract}


def _check(templates: Templates, known: Collection[str], path: str) -> None:
    for field, text in templates:
        try:
            parse(text, known)
        except TemplateError as error:
            raise PlanRefused(f"{path}.{field}", str(error)) from None


def _templates(step: Step) -> Templates:
    """Every text of a step that is a template."""
    yield from _of_request(step.http, "http")
    yield from ((f"expect.contains[{at}]", text) for at, text in enumerate(step.expect.contains))
    yield from ((f"expect.headers.{name}", text) for name, text in step.expect.headers)
    yield from ((f"expect.json[{at}].equals", check.equals or "") for at, check in enumerate(step.expect.json))


def _of_request(request: HttpRequest, field: str) -> Templates:
    yield f"{field}.path", request.path
    yield from ((f"{field}.headers.{name}", text) for name, text in request.headers)
    yield f"{field}.body", request.body


def _step(step: api.Step) -> Step:
    asked = step.expect
    expect = Expect(
        status=tuple(sorted(asked.status)),
        contains=tuple(asked.contains),
        headers=tuple(sorted(asked.headers.items())),
        json=tuple(JsonCheck(expression=check.expression, equals=check.equals) for check in asked.json_body),
    )
    taken = tuple(Extract(name=one.name, json=one.json_path or "", header=one.header or "") for one in step.extract)
    return Step(name=step.name, http=http_request(step.http), expect=expect, extract=taken)


def _think(asked: api.ThinkTime | None) -> ThinkTime | None:
    if asked is None:
        return None
    mean, shortest, longest = (0 if text is None else parse_duration(text) for text in (asked.mean, asked.min, asked.max))
    if asked.type == "Exponential" and asked.max is None:
        longest = _CUT * mean
    return ThinkTime(type=asked.type, mean_ms=mean, min_ms=shortest, max_ms=longest)
