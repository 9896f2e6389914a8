"""What compiling says about a policy: one statement, in the terms of conditions. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from slipstream_api.conditions import Reason, Status, Type
from slipstream_api.resources import Resource


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition-like statement about a policy, and the rule that it is about, if it is about one."""

    kind: str
    namespace: str
    name: str
    type: Type
    status: Status
    reason: Reason
    message: str
    rule: str | None = None


def finding(about: Resource, type_: Type, status: Status, reason: Reason, message: str, rule: str | None = None) -> Finding:
    """A finding about a resource."""
    return Finding(about.kind, about.namespace, about.name, type_, status, reason, message, rule)
