"""The attempts of one request: counts them, decides whether there is one more, and looks at each answer before the exchange does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.retry import ASKED_NOTHING, LONGEST_ASKED, MOST, RETRIABLE, RetryPolicy, asked_wait, backoff
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.parties import Call

if TYPE_CHECKING:
    from slipstream_runtime.proxy.sending import Sending
    from slipstream_runtime.proxy.service import HttpService

NOT_AGAIN: Final = 0.0


class Attempts(Call):
    """Only where a rule allows more than one, or another upstream: other requests don't pay for it."""

    __slots__ = ("_exchange", "_policy", "_service", "number")

    def __init__(self, exchange: Sending, policy: RetryPolicy | None, service: HttpService) -> None:
        self._exchange = exchange
        self._policy = policy
        self._service = service
        self.number = 1
        if policy is not None:
            service.state.retry_budget.earn(policy.share)

    def made(self, failure: Failure) -> int:
        """How many there were when the last one ended with `failure`; what our own limits or the circuit refused was none."""
        return self.number - (failure.cause in ("Overload", "CircuitOpen"))

    # -- decisions --------------------------------------------------------------------------------------------------------

    def after_failure(self, failure: Failure, now: float) -> float:
        """When to try again; NOT_AGAIN. Only what the upstream did: our own full queue isn't helped by more load."""
        if not failure.error_class:
            return NOT_AGAIN
        least = 0.0
        if failure.error_class == "Connect":  # the pool dials no sooner, and fails whoever asks before
            least = self._service.pool.core.dials_at - now
            if least > MOST:
                return NOT_AGAIN
        return self._next(least, now)

    def after_answer(self, head: AnswerHead, now: float) -> float:
        """The same after an answer of which nothing was relayed."""
        if self._policy is None or head.status not in RETRIABLE:
            return NOT_AGAIN
        asked = asked_wait(head.fields)
        if asked > LONGEST_ASKED:
            return NOT_AGAIN
        return self._next(0.0 if asked == ASKED_NOTHING else asked, now)

    def _next(self, least: float, now: float) -> float:
        policy, exchange, figures = self._policy, self._exchange, self._service.figures
        if policy is None or self.number >= policy.attempts or not exchange.can_be_sent:
            return NOT_AGAIN
        at = now + max(least, backoff(self.number, self._service.state.uniform))
        circuit = exchange.operation.circuit
        breaker = None if circuit is None else self._service.circuits.get(circuit, now)
        if breaker is not None and not breaker.lets_all(now):
            figures.retries_refused["circuit"] += 1
        elif at >= (exchange.deadline or exchange.head.until):
            figures.retries_refused["deadline"] += 1
        elif not self._service.state.retry_budget.spend(now):
            figures.retries_refused["budget"] += 1
        else:
            self.number += 1
            figures.retries_made += 1
            return at
        return NOT_AGAIN

    def clock_starts(self, now: float) -> None:
        """The request is sent: this attempt has so long."""
        policy = self._policy
        if policy is not None and policy.try_timeout and self._exchange.idempotent:
            self._exchange.wake_at(now + policy.try_timeout)

    # -- from the connection ----------------------------------------------------------------------------------------------

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        if self._exchange.takes(head, complete):
            if self.number > 1 and self._policy is not None:
                self._service.figures.retries_answered += head.status not in RETRIABLE
            self._exchange.on_answer(head, body, complete)

    def on_interim(self, head: AnswerHead) -> None:
        if self.number == 1 or head.status != 100:  # the client has sent its body already
            self._exchange.on_interim(head)

    def on_body(self, data: bytes, complete: bool) -> None:
        self._exchange.on_body(data, complete)

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        self._exchange.on_switch(head, rest)

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        self._exchange.on_failure(failure, untouched)

    def on_upstream_writable(self, writable: bool) -> None:
        self._exchange.on_upstream_writable(writable)
