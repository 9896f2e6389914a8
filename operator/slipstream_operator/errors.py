"""What can go wrong, as the queue needs to know it: will trying again help, and when? Mapped once, at the border (kube, delivery)."""

from __future__ import annotations


class OperatorError(Exception):
    """Root of everything that the operator raises on purpose. The message says what to change."""


class Permanent(OperatorError):  # noqa: N818 - the answer to a question: is another try worth it?
    """Trying again changes nothing: something else has to change first, and that will be an event."""


class Temporary(OperatorError):  # noqa: N818 - as above
    """Worth another try. `delay`: at least so many seconds from now; None leaves it to the queue's back-off."""

    def __init__(self, message: str, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class NotFound(Permanent):
    """There is no such object, or no such kind."""


class Invalid(Permanent):
    """The API server refuses the object as it is."""


class Conflict(Temporary):
    """The object has changed meanwhile: read it again. Also: another field manager or another uid."""


class AlreadyExists(Permanent):
    """Somebody made it before; for a deterministic name that is as good as success."""


class Forbidden(Temporary):
    """A verb is missing in the role, or admission said no. Roles get repaired, so it is worth another try, slowly."""
