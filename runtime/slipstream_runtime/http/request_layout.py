"""How requests are laid out after their first line. Pure; reads no head itself."""

from __future__ import annotations

from slipstream_runtime.http.fields import Field
from slipstream_runtime.http.layout import Drawn, Layout


class RequestLayout(Layout):
    """How requests are laid out after their first line: with exactly one Host, and nothing else but ordinary lines and a Content-Length."""

    __slots__ = ("body", "host", "host_at", "login")

    def __init__(self, drawn: Drawn, host: Field, body: int) -> None:
        super().__init__(drawn)
        self.host_at = drawn.names.index(b"host") if b"host" in drawn.names else -1  # among the values
        self.host = host if self.host_at < 0 else None
        self.body = body  # unless its length is among the values
        self.login = (
            drawn.names.index(b"authorization") if b"authorization" in drawn.names else -1
        )  # among the names, since no memo knows it
