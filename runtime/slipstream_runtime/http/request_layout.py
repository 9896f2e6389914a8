"""How requests are laid out: any first line, which is the first of the values, and lines like those learnt. Pure; reads no head itself."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.fields import Field
from slipstream_runtime.http.layout import Drawn, Layout

FIRST_LINE: Final = rb"([^\r\n]*+)"  # it is parsed strictly where it isn't known


class RequestLayout(Layout):
    """How they are laid out: with exactly one Host, and nothing else but ordinary lines and a Content-Length."""

    __slots__ = ("body", "host", "host_at", "login")

    def __init__(self, drawn: Drawn, host: Field, body: int) -> None:
        super().__init__(drawn, FIRST_LINE)
        self.host_at = self.place(b"host")
        self.host = host if self.host_at < 0 else None
        self.body = body  # unless its length is among the values
        self.login = self.place(b"authorization")  # where it is a line at all: no memo knows it
