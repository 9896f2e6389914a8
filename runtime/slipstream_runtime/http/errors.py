"""What is wrong with a message, and which status says so. Pure."""

from __future__ import annotations


class MalformedError(Exception):
    """A message that can't be trusted to end where it seems to: it is answered with `status` and its connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
