"""The base of all parts of a configuration, and parts that stand for themselves. Pure; as config.py."""

from __future__ import annotations

from typing import Literal

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every part of a configuration: immutable, camelCase on the wire, unknown fields refused."""


class Batch(Part, frozen=True, kw_only=True):
    """An endpoint that answers many reads of a rule at once; with items in the Body it is asked by POST, else by GET.

    `answers` is the dotted path of what holds the answers, empty for the body itself."""

    item: str
    item_in: Literal["Path", "Query"] = "Path"
    item_type: Literal["String", "Integer"] = "String"
    path: str
    items: str = "ids"
    items_in: Literal["Query", "RepeatedQuery", "Body"] = "Query"
    answers: str = ""
    answers_by: Literal["Order", "Id", "Key"] = "Order"
    id_field: str = "id"
    max_size: int = 100
    max_wait_ms: int = 50
