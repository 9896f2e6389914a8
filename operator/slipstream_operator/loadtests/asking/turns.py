"""Whose turn it is: tests of one queue and namespace run one after another, in the order in which they asked. Pure.

The order is in the statuses (queuedAt), so that a restart changes nothing; of two that asked in the same second the older object is first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class InLine:
    """Another test of the same queue. `asked`: RFC 3339 of when it began to wait, empty while it doesn't."""

    name: str
    created: str
    asked: str = ""
    running: bool = False


def queue_of(spec: Mapping[str, Any]) -> str:
    """The queue that a test is in, out of its raw spec: its own, else its target's."""
    if spec.get("queue"):
        return f"queue/{spec['queue']}"
    target = spec.get("target") or {}
    if target.get("poolRef"):
        return f"pool/{target['poolRef'].get('name', '')}"
    return f"url/{urlsplit(str(target.get('url') or '')).netloc}"


def in_line(objects: Iterable[Mapping[str, Any]], name: str, spec: Mapping[str, Any]) -> tuple[InLine, ...]:
    """The other tests of `name`'s queue that run or wait, out of all LoadTests of its namespace."""
    mine, found = queue_of(spec), []
    for thing in objects:
        meta, status, theirs = thing["metadata"], thing.get("status") or {}, thing.get("spec") or {}
        if meta["name"] == name or meta.get("deletionTimestamp"):
            continue
        running = bool(status.get("runKey")) and not status.get("completionTime")
        if running and status.get("queue", queue_of(theirs)) == mine:  # a run stays in the queue that it began in
            found.append(InLine(meta["name"], meta.get("creationTimestamp") or "", running=True))
        elif status.get("queuedAt") and not theirs.get("suspend") and queue_of(theirs) == mine:
            found.append(InLine(meta["name"], meta.get("creationTimestamp") or "", str(status["queuedAt"])))
    return tuple(found)


def before(others: Iterable[InLine], name: str, created: str, asked: str) -> tuple[InLine, ...]:
    """Who is before a test, next first: whoever runs, and who has waited longer. `asked` is empty for one that asks for the first time."""
    mine = (asked or "9999", created, name)
    waiting = [one for one in others if one.running or (one.asked, one.created, one.name) < mine]
    return tuple(sorted(waiting, key=lambda one: (not one.running, one.asked, one.created, one.name)))


def waits_for(ahead: tuple[InLine, ...]) -> str:
    """Who is before it, for a person."""
    first = ahead[0]
    doing = "which is running" if first.running else "which waits too"
    more = f", and {len(ahead) - 1} more" if len(ahead) > 1 else ""
    return f"waits for LoadTest {first.name}, {doing}{more}"
