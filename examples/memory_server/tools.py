"""What the service can do, for who discovers it: names, descriptions, and full schemas of its operations. Serves nothing itself."""

from __future__ import annotations

from typing import Any, Final

DETAILS: Final = ("name", "description", "schema")

_TEXT: Final = {"type": "string", "minLength": 1}
_ID: Final = {"type": "integer", "minimum": 1, "description": "As an earlier answer gave it."}
_LIMIT: Final = {"type": "integer", "minimum": 0, "maximum": 10_000, "default": 10}

_TOOLS: Final[tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...]] = (
    ("episodic/recall", "What a session has experienced and what is known about a query.", {"q": _TEXT, "limit": _LIMIT}, ("q",)),
    ("episodic/getRecent", "The newest events of a session.", {"limit": _LIMIT}, ()),
    ("episodic/listEvents", "The events of a session, oldest first.", {"limit": _LIMIT, "offset": _LIMIT}, ()),
    ("episodic/remember", "Stores an event of a session.", {"text": _TEXT}, ("text",)),
    ("episodic/forget", "Removes an event of a session.", {"id": _ID}, ("id",)),
    ("semantic/search", "What a session and everybody knows about a query.", {"q": _TEXT, "limit": _LIMIT}, ("q",)),
    ("semantic/list", "What a session knows by itself.", {"limit": _LIMIT, "offset": _LIMIT}, ()),
    ("semantic/store", "Stores something that a session knows.", {"topic": _TEXT, "text": _TEXT}, ("topic", "text")),
    ("semantic/update", "Changes something that a session knows.", {"id": _ID, "text": _TEXT}, ("id", "text")),
    ("prospective/listTasks", "The open tasks of a session.", {"limit": _LIMIT}, ()),
    ("prospective/createTask", "Stores something that a session means to do.", {"text": _TEXT}, ("text",)),
    ("prospective/completeTask", "Marks an open task of a session as done.", {"id": _ID}, ("id",)),
)


def listed(detail: str) -> list[dict[str, Any]]:
    """All operations in one of DETAILS; each has what the ones before it have."""
    found: list[dict[str, Any]] = []
    for name, description, properties, required in _TOOLS:
        tool: dict[str, Any] = {"name": name}
        if detail != "name":
            tool["description"] = description
        if detail == "schema":
            tool["inputSchema"] = {"type": "object", "properties": properties, "required": list(required)}
        found.append(tool)
    return found
