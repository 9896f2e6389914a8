"""Which load a LoadTest puts on its target: stages, scenarios and their data. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import ATOMIC, SET, Duration, HeaderName, Model, Name, map_of
from slipstream_api.models.loadtest.target import ConfigMapKey
from slipstream_api.models.match import Method

Template = Annotated[str, Field(max_length=2048)]
Expression = Annotated[str, Field(min_length=1, max_length=256)]
Variable = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][A-Za-z0-9_]*$")]


class Stage(Model):
    """A stretch of constant load: closed (users) or open (ratePerSecond)."""

    name: Name = Field(description="Name of the stage.")
    duration: Duration = Field(description="How long the load is held and measured.")
    users: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Closed model: so many users, each waits for its answer before it asks again."
    )
    rate_per_second: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="Open model: so many arrivals a second, whatever the answers take."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Open model: further arrivals are dropped and counted; 1000 if not set."
    )
    ramp: Duration | None = Field(
        default=None,
        description="Time in which the load goes from the last stage's to this one's; from 0 at first, after a drain and after the other "
        "model; 0s if not set.",
    )
    settle: Duration | None = Field(default=None, description="Full load before it is measured; 0s if not set.")
    drain: Duration | None = Field(
        default=None,
        description="Time for calls in flight after the stage; what takes longer is cut off and counted. If not set: none where the next "
        "stage ramps on from this one, else 1s.",
    )


class ThinkTime(Model):
    """How long a user waits between two iterations."""

    type: Literal["Constant", "Uniform", "Exponential"] = Field(
        description="Distribution: Constant and Exponential by mean, Uniform by min and max."
    )
    mean: Duration | None = Field(default=None, description="Constant: the time. Exponential: its mean.")
    min: Duration | None = Field(default=None, description="Uniform: the shortest.")
    max: Duration | None = Field(default=None, description="Uniform: the longest. Exponential: a cut; ten times the mean if not set.")


class HttpStep(Model):
    """One HTTP call. ${user}, ${session}, ${iteration}, names of `data` and of earlier `extract` are filled in."""

    method: Method = Field(default="GET", description="Method; GET if not set.")
    path: Annotated[str, Field(min_length=1, max_length=2048, pattern="^/")] = Field(description="Path and query.")
    headers: Annotated[dict[str, Template], Field(max_length=16)] = Field(default_factory=dict, description="Headers.")
    body: Annotated[str, Field(max_length=8192)] | None = Field(default=None, description="Body, sent with Content-Length.")


class JsonCheck(Model):
    """What a JSON body must hold."""

    expression: Expression = Field(description="JMESPath into the body, like items[0].id.")
    equals: Template | None = Field(
        default=None, description="The value, filled in like the path; JSON for what isn't a text. Any value but null or false if not set."
    )


class Expect(Model):
    """What an answer must be like. A wrong status is an error; anything else that is missing is a wrong answer, counted apart."""

    status: Annotated[tuple[Annotated[int, Field(ge=100, le=599)], ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(200,), description="Statuses that are right; 200 if not set."
    )
    contains: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=8, json_schema_extra=ATOMIC)] = (
        Field(default=(), description="Texts that the body contains, filled in like the path: who asked and what was asked.")
    )
    headers: Annotated[dict[str, Template], Field(max_length=8)] = Field(
        default_factory=dict, description="Headers with these values, filled in like the path; an empty value: any."
    )
    json_body: Annotated[tuple[JsonCheck, ...], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(
        default=(), alias="json", description="What the body holds as JSON."
    )


class Extract(Model):
    """A value of the answer, for later steps of the same iteration."""

    name: Variable = Field(description="Name by which later steps use it: ${name}.")
    json_path: Expression | None = Field(default=None, alias="json", description="JMESPath into the body.")
    header: HeaderName | None = Field(default=None, description="A header's value.")


class Step(Model):
    """One call of a scenario."""

    name: Name = Field(description="Name of the step.")
    http: HttpStep = Field(description="The call.")
    expect: Expect = Field(default=Expect(), description="What its answer must be like.")
    extract: Annotated[tuple[Extract, ...], Field(max_length=8, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Values of its answer that later steps use; one that is missing is a wrong answer."
    )


class Scenario(Model):
    """What a user does, step by step."""

    name: Name = Field(description="Name of the scenario.")
    weight: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="How often it is chosen, relative to the others.")
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=32, json_schema_extra=map_of("name"))] = Field(
        description="Calls, one after another."
    )
    think_time: ThinkTime | None = Field(default=None, description="Closed model: wait after each iteration; none if not set.")


class Data(Model):
    """Values for templates: a list, or a table with named columns."""

    name: Variable = Field(description="Name by which templates use it: ${name}, of a table ${name.column}.")
    values: (
        Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(min_length=1, max_length=1000, json_schema_extra=ATOMIC)] | None
    ) = Field(default=None, description="The values.")
    config_map: ConfigMapKey | None = Field(
        default=None, description="Where the values are: one a line, or CSV with a line of column names."
    )
    format: Literal["Lines", "CSV"] | None = Field(default=None, description="With configMap: Lines if not set.")
    mode: Literal["Random", "Sequential", "UniquePerUser"] | None = Field(
        default=None,
        description="Random: drawn with the plan's seed. Sequential: one after another over all users. UniquePerUser: one a user, never "
        "another's. Random if not set.",
    )
    on_exhausted: Literal["Fail", "Wrap"] | None = Field(
        default=None,
        description="Sequential and UniquePerUser: what to do when no value is left: refuse the run, or begin again; Wrap if not set.",
    )
