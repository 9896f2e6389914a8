"""What time does to a request: its deadline, its attempt's end, a body that stands still. Sends nothing and relays nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.sending import DONE, QUEUED, RESTING, SENT, STREAMING, Sending

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

FAIR_SHARE: Final = 0.5  # of requestTimeout: an upstream that had so much of it and didn't answer is slow, whatever came before


class Timed(Sending):
    """The sweep is its caller."""

    __slots__ = ("_written",)

    def __init__(self, service: HttpService, client: Client | None, head: RequestHead, operation: Operation) -> None:
        Sending.__init__(self, service, client, head, operation)  # super() costs more than the call where nothing is compiled
        self._written = -1  # bytes that waited for the client at the last look

    def _cut(self, failure: Failure) -> None:
        raise NotImplementedError

    def wake(self, now: float) -> None:
        """Something is due that isn't everybody's deadline."""
        if self.state in (STREAMING, DONE):
            return
        if now >= self.head.until:
            self.expire()
        elif self.state == RESTING:
            self.again(now)
        elif self.state == SENT and self._attempts is not None:
            self._drop_connection()
            if not self._retries(failures.TRY_TIMEOUT):
                self.fail(failures.TRY_TIMEOUT)
        elif self.head.until < NEVER:
            self.wake_at(NEVER)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.state == STREAMING:
            failure = failures.CLIENT_STUCK if self._client_stalls() else failures.BODY_TIMEOUT
            self._drop_connection()
            self._cut(failure)
        elif self.state != DONE and self._now() >= self.head.until:
            self.late()
        elif self.state != DONE:
            failure = self._service.pool.cancel(self) if self.state == QUEUED else self._timeout()
            if not self._request_complete and self.client is not None and not self.client.held:
                failure = failures.CLIENT_STALLED
            self._drop_connection()
            self.fail(failure)

    def _timeout(self) -> Failure:
        """Where our own queue took most of the time, it says nothing about the upstream, unless what was left was long enough for that."""
        permit = self._permit
        if permit is None or permit.had_time(self._now(), self._service.due(0.0) * FAIR_SHARE):
            return failures.TIMEOUT
        return failures.QUEUED_TOO_LONG

    def _client_stalls(self) -> bool:
        """Whether an answer's body stands still for our client: it isn't read, so that we don't read it either, or the rest of the request
        doesn't come. Otherwise it is the upstream that sends nothing."""
        client = self.client
        return client is not None and (not client.writable or not (self._request_complete or client.held))

    def too_slow(self, now: float, patience: float) -> bool:
        """Whether a body made no progress for `patience` seconds, in neither direction."""
        written = 0 if self.client is None else self.client.unwritten
        if written != self._written:
            self._written = written
            self.active_at = now
        return self.active_at <= now - patience
