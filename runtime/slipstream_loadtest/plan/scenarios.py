"""What users of a plan do: scenarios, steps, and the data they take values from. Pure data; says nothing of when."""

from __future__ import annotations

from typing import Literal

from slipstream_loadtest.plan.base import PlanPart


class HttpRequest(PlanPart, frozen=True, kw_only=True):
    """One HTTP request; path, header values and body are templates."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class JsonCheck(PlanPart, frozen=True, kw_only=True):
    """A JMESPath expression into a JSON body. `equals`: template of the value (JSON for what isn't a text); None: any but null or false."""

    expression: str
    equals: str | None = None


class Expect(PlanPart, frozen=True, kw_only=True):
    """What makes an answer right: one of these statuses, every text of `contains` (templates) in the body, these headers (an empty value:
    any), and what the body holds as JSON."""

    status: tuple[int, ...] = (200,)
    contains: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    json: tuple[JsonCheck, ...] = ()


class Extract(PlanPart, frozen=True, kw_only=True):
    """A value of an answer for later steps of the iteration: by JMESPath out of the body, or a header's; exactly one of them."""

    name: str
    json: str = ""
    header: str = ""


class Step(PlanPart, frozen=True, kw_only=True):
    """One call, what its answer must be like, and what later steps take from it."""

    name: str
    http: HttpRequest
    expect: Expect = Expect()
    extract: tuple[Extract, ...] = ()


class ThinkTime(PlanPart, frozen=True, kw_only=True):
    """Wait of a closed user between two iterations, drawn with the plan's seed. Uniform: from min to max; Exponential: cut at max."""

    type: Literal["Constant", "Uniform", "Exponential"]
    mean_ms: int = 0
    min_ms: int = 0
    max_ms: int = 0


class Scenario(PlanPart, frozen=True, kw_only=True):
    """Steps that one user does one after the other; a failed step ends the iteration."""

    name: str
    weight: int = 1
    steps: tuple[Step, ...]
    think_time: ThinkTime | None = None


class DataList(PlanPart, frozen=True, kw_only=True):
    """Rows of which each iteration takes one. `columns` empty: rows of one value, used as ${name}; else as ${name.column}."""

    name: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]
    mode: Literal["Random", "Sequential", "UniquePerUser"] = "Random"
    wrap: bool = True
