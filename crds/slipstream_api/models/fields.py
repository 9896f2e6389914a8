"""The types that all specs are built of: bounded texts, numbers, named lists. Declarations only: rules over several fields are in rules.py.

Every list, map and text has a bound, since the API server estimates the cost of CEL from them. A default here becomes one in the CRD,
except below list items, where it is filled by compile (a default there would make every client-side apply report a change).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from slipstream_api.scalars import DURATION_PATTERN, NAME_PATTERN, NUMBER_PATTERN, QUANTITY_PATTERN


class Model(BaseModel):
    """A part of a spec: immutable, camelCase in YAML, unknown fields refused. Types are checked by `slipstream_api.validate` before."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


Duration = Annotated[str, Field(max_length=24, pattern=DURATION_PATTERN)]
Size = Annotated[
    str | int,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 20}),
]
Amount = Annotated[  # a duration or a number, as the metric asks (a rule tells which)
    str | int,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": f"({DURATION_PATTERN})|({NUMBER_PATTERN})", "maxLength": 24}),
]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
Token = Annotated[str, Field(min_length=1, max_length=128)]
HeaderName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HostName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$")
]
Path = Annotated[str, Field(min_length=1, max_length=1024, pattern="^/")]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=0, le=100)]

SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


def map_of(*keys: str) -> dict[str, Any]:
    """A list whose items are told apart by `keys`, so that two managers can own an item each."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
