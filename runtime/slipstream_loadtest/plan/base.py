"""What all parts of a plan have in common. Pure data; no field of its own."""

from __future__ import annotations

import msgspec


class PlanPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base: immutable, camelCase on the wire, unknown fields refused (a runner never measures half of a plan)."""
