"""Who talks to whom on the data path: the base classes that client, service, call and connection know each other by. No behaviour.

Classes and not protocols, because a call through a protocol is looked up by name each time, compiled or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.failures import Failure

if TYPE_CHECKING:
    from slipstream_runtime.proxy.client import Client
    from slipstream_runtime.proxy.upstream import UpstreamConnection


LIMITS: Final = Limits()


class Call:
    """One request on its way: hears of its client from one side, and of the upstream's answer from the other, in as few calls as reads."""

    __slots__ = ()

    # from the client

    def on_request_body(self, data: bytes, complete: bool) -> None:
        raise NotImplementedError

    def refuses_body(self) -> bool:
        """The request's body is longer than it may be: True where this was the answer, False where another one has begun."""
        raise NotImplementedError

    def on_client_writable(self, writable: bool) -> None:
        raise NotImplementedError

    def on_client_gone(self) -> None:
        raise NotImplementedError

    # from the upstream

    def on_interim(self, head: AnswerHead) -> None:
        raise NotImplementedError

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        raise NotImplementedError

    def on_body(self, data: bytes, complete: bool) -> None:
        raise NotImplementedError

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        raise NotImplementedError

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        """`untouched`: on a connection that had been idle, and not an octet of an answer came."""
        raise NotImplementedError

    def on_upstream_writable(self, writable: bool) -> None:
        raise NotImplementedError


class Owner:
    """Who a connection to an upstream belongs to: is told when it is free again and when it is gone."""

    __slots__ = ()

    def released(self, connection: UpstreamConnection) -> None:
        raise NotImplementedError

    def lost(self, connection: UpstreamConnection) -> None:
        raise NotImplementedError


class Service:
    """Who answers: at once (None is returned and `Client.finished` was called), or later through the call that is returned."""

    limits: Limits = LIMITS  # of the requests that it takes

    def handle(self, client: Client, head: RequestHead, body: bytes, complete: bool) -> Call | None:
        raise NotImplementedError


class Door:
    """What a client came through; its service changes when a configuration is applied."""

    service: Service
    pool: str
