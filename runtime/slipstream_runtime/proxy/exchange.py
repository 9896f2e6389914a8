"""One request on its way back: its answer, and every way in which it can end. All of it in callbacks: no task, no timer.

Of answer, failure, deadline and disconnect the first one that ends it wins; permit, place, connection and write are given back once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream_runtime.cores.fallback import TROUBLE, choose, retry_after
from slipstream_runtime.cores.retry import IDEMPOTENT
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.body import framed
from slipstream_runtime.http.forward import END, connection_line, forwarded_answer, needs_chunks, switching
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.answers import diverted, failure_answer
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.sending import DONE, QUEUED, RESTING, SENT, STREAMING
from slipstream_runtime.proxy.timed import Timed

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

__all__ = ["DONE", "QUEUED", "RESTING", "SENT", "STREAMING", "Exchange"]


class Exchange(Timed):
    """A request that goes to the upstream past any cache."""

    __slots__ = ()

    # -- from the upstream ------------------------------------------------------------------------------------------------

    def on_interim(self, head: AnswerHead) -> None:
        if self.client is not None and self.head.line.http11 and (head.status != 100 or self.head.expects_continue):
            self.client.send(forwarded_answer(head, b"", b"", False))

    def takes(self, head: AnswerHead, complete: bool) -> bool:
        """Whether an answer is to be relayed, before anything of it is: another attempt or another upstream may do better."""
        attempts = self._attempts
        if attempts is None or head.status not in TROUBLE:
            return True
        now = self._now()
        if self._permit is not None:
            self._permit.asked(head, now)
        self._record(head.status, now)
        at = attempts.after_answer(head, now)
        if not at and self._alternate(failures.TROUBLED) is None:
            return True
        self._service.figures.by_class[head.status // 100] += 1
        if complete:
            self._connection = None
        if at:
            self.rest(at)
        else:
            self._status = head.status
            self._drop_connection()
            self.fail(failures.TROUBLED)
        return False

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._arrived(head, complete, now := self._now())
        self._relay(head, self.cache_line(""), body, complete, now)

    def _arrived(self, head: AnswerHead, complete: bool, now: float) -> None:
        self._status = head.status
        self._service.figures.by_class[head.status // 100] += 1
        if head.status >= 400 and self._permit is not None:
            self._permit.asked(head, now)
        if complete:
            self._connection = None  # it is back in its pool
        elif head.body < 0:  # a stream may go on for hours; a body of known length may still be cut short, which is a failure
            self._record(head.status, now)
        elif self._permit is not None:
            self._permit.heard(now)

    def _relay(self, head: AnswerHead, extra: bytes, body: bytes, complete: bool, now: float) -> None:
        """The answer's head and the first of its body, to the client."""
        client = self.client
        if client is not None:
            asked, http11 = self.head, self.head.line.http11
            keep = self._keep = client.keeps(asked) and (http11 or head.body >= 0)
            notes = asked.notes if self._attempts is None else self.notes()
            if keep and http11 and head.body >= 0 and head.block:  # as most: nothing to say of the connection, nothing to frame
                client.send(b"".join((head.block, extra, notes, END, body)))
            else:
                self._chunked = needs_chunks(head.body, http11)
                data = forwarded_answer(head, extra + notes, connection_line(http11, keep), self._chunked)
                client.send(data + (framed(body, complete) if self._chunked else body))
        if complete:
            self._complete(now)
        else:
            self.state = STREAMING
            self._service.flow(self)
            if client is not None and not client.writable:
                self.on_client_writable(False)  # it was slow before

    def on_body(self, data: bytes, complete: bool) -> None:
        self.active_at = self._service.context.now
        if complete:
            self._connection = None  # it is back in its pool: a client that is slow to take the rest mustn't pause whoever has it next
        if self.client is not None:
            self.client.send(framed(data, complete) if self._chunked else data)
        if complete:
            self._complete(self._now())

    def on_client_writable(self, writable: bool) -> None:
        """A slow client stops what flows to it. What hasn't begun isn't stopped: its upstream would be taken for one that says nothing."""
        if self._connection is not None and self.state == STREAMING:
            (self._connection.resume if writable else self._connection.pause)()

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        """101: from here on both sides are raw. A 101 that nobody asked for is a broken answer."""
        connection, client = self._connection, self.client
        assert connection is not None
        if client is None or not self.head.upgrade:
            connection.abandon()
            self.on_failure(failures.MALFORMED, False)
            return
        self._record(101, now := self._now())
        self._connection = None
        client.send(switching(head))
        self._service.tunnel(client, connection, rest)
        self._end(now, client_finished=True)

    # -- ends -------------------------------------------------------------------------------------------------------------

    def on_no_connection(self, failure: Failure) -> None:
        """The pool: there is none for you."""
        if self._now() >= self.head.until:
            self.expire()
        elif not self._retries(failure):
            self.fail(failure)

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        """The connection is gone. An idle one that the upstream closed while we wrote to it isn't a failure of the upstream: once more,
        on a new connection, where the request is idempotent and nothing of a body was consumed."""
        self._connection = None
        if self.state == STREAMING:
            self._cut(failure)
        elif untouched and not self._retried and self.head.method in IDEMPOTENT and not self.head.body:
            self._retried = True
            self._service.figures.retries += 1
            self.state = QUEUED
            self._acquire(self._now(), fresh=True)
        elif not self._retries(failure):
            self.fail(failure)

    def late(self) -> None:
        """The caller's own deadline has passed. It isn't that of those who wait for the same call, and a breaker hears of it only where
        the rule would call such an answer slow: callers in a hurry mustn't open a circuit for all."""
        if self.state == SENT and self._permit is not None and self._permit.had_time(self._now()):
            self._record_failure(failures.TIMEOUT)
        self._excuse(failures.OUT_OF_TIME)
        self.head.until = NEVER
        client, self.client = self.client, None
        self._cancel()
        if self.state != DONE:
            self._service.wait(self, self.started)
            if self.state == RESTING:
                self.wake_at(self._now())
        if client is not None:
            self._service.figures.observe(self.operation.name, self._now() - self.started)
            client.finished(self._keep)

    def on_client_gone(self) -> None:
        """Nobody reads the answer: the upstream is spared, and no breaker hears of it."""
        self.client = None
        self._service.figures.cancelled += 1
        self._cancel()

    def refuses_body(self) -> bool:
        if self.state == STREAMING or self.client is None:
            return False
        self._let_go()
        self.fail(failures.BODY_TOO_LONG)
        return True

    def _cancel(self) -> None:
        self._let_go()
        self._end(self._now(), client_finished=False)

    def fail(self, failure: Failure) -> None:
        """No answer from the upstream, or no connection to it: another upstream's, or our own."""
        self._record_failure(failure)
        other = self._alternate(failure)
        if other is None:
            self._excuse(failure)
            self._end(self._now(), client_finished=True)
        else:
            self._service.figures.failed(failure.reason)
            self._divert(other, failure)

    def _alternate(self, failure: Failure) -> HttpService | None:
        """Who answers instead, where the chain's step is another upstream and the request may go to it."""
        head = self.head
        operation = self.operation
        if self.client is None or not (operation.diverts and operation.safe and failure.elsewhere) or head.body or head.upgrade:
            return None
        step = choose(operation.fallback, failure.cause, False)
        return None if step is None or step.type != "Upstream" else self._service.services.get(step.pool)

    def _divert(self, other: HttpService, failure: Failure) -> None:
        """The same request to another upstream, in what is left of its time. A plain one: nothing of its answer is stored here."""
        client, head = self.client, self.head
        assert client is not None
        head.until = min(head.until, self.deadline or self._service.due(self.started))
        head.notes += diverted(failure, other.config.name)
        self._end(self._now(), client_finished=False)
        self.successor = other.take_over(client, head, 0 if self._attempts is None else self._attempts.made(failure))
        if self.successor is not None:
            client.exchange = self.successor

    def _excuse(self, failure: Failure) -> None:
        """Our own answer: from the fallback chain, or about the failure."""
        service, client = self._service, self.client
        service.figures.failed(failure.reason)
        if client is not None:
            step = choose(self.operation.fallback, failure.cause, False, elsewhere=False)
            wait = retry_after(step, failure.cause, service.open_for(self.operation))
            self._keep = client.keeps(self.head)
            extra = service.context.date + self.cache_line(failure.reason) + connection_line(self.head.line.http11, self._keep)
            client.send(failure_answer(failure, step, wait, extra + self.notes(), self.head.method == b"HEAD"))

    def cache_line(self, detail: str, stored: bool = False) -> bytes:
        """Cache-Status of an answer that isn't from the store, as a line."""
        return self.operation.passing

    def notes(self) -> bytes:
        """Lines that say what was tried before this answer."""
        attempts = self._attempts
        if attempts is None or attempts.number == 1:
            return self.head.notes
        return b"\r\nX-Slipstream-Attempts: %d" % attempts.number + self.head.notes

    def _cut(self, failure: Failure) -> None:
        """In the middle of an answer there's no way to tell the client but to cut the connection."""
        self._record_failure(failure)
        self._service.figures.failed(failure.reason)
        client = self.client
        self._end(self._now(), client_finished=False)
        if client is not None:
            client.abort()

    def _complete(self, now: float) -> None:
        if self._permit is not None:
            self._record(self._status, now)
        self._end(now, client_finished=True)

    def _end(self, now: float, client_finished: bool) -> None:
        """Give everything back, then let the client go on."""
        before, self.state = self.state, DONE
        self._held = b""
        if self._permit is not None:
            self._permit.release()
            self._permit = None
        if self._place is not None:
            self._place.under_way -= 1
            self._place = None
        if self._write is not None:
            # The upstream may have it, and carry it out later: reads wait that long before they are stored.
            if self._doubtful or (before == SENT and not self._status):
                self._write.linger(self._service.linger_until())
            else:
                self._write.end()
            self._write = None
        self._service.tracker.forget(self)
        client, self.client = self.client, None
        if client is not None:
            self._service.figures.observe(self.operation.name, now - self.started)
            if client_finished:
                client.finished(self._keep)
