"""The answer to a spec that can't be planned. Pure; decides nothing."""

from __future__ import annotations


class PlanRefused(ValueError):  # noqa: N818 - an answer, not a malfunction
    """A spec that can't be planned. `path`: the field; the message says what to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
