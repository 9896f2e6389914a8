"""The commands that a runtime takes, as data. Pure; carrying them out is the runtime's."""

from __future__ import annotations

from typing import Literal

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """ForceOpen, ForceClosed, Reset: circuits. Invalidate: entries. An empty selector means all: of pools, policies, rules, operations.
    Tags and paths (without a query) belong to a pool, so they end what is theirs under any of its rules. `partition`: header lines
    (name, value) of a caller, whose answers end under each of the rules that are kept apart by them."""

    op: Literal["ForceOpen", "ForceClosed", "Reset", "Invalidate"]
    pool: str = ""
    policy: str = ""
    rule: str = ""
    operation: str = ""  # of circuits
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    partition: tuple[tuple[str, str], ...] = ()


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many circuits, or pools whose entries were invalidated, a command met; 0 says that the selector matched nothing."""

    matched: int
