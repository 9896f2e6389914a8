"""What tests of further attempts share: a rule that retries, an upstream that does what it is told. Holds no expectations but `ended`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipstream_api.config import BreakerRule, Retry, Window
from tests.fakes.proxied import Proxied
from tests.fakes.raw_upstream import Connection


def retrying(attempts: int = 3, budget: int = 100, try_timeout_ms: int = 0, **rule: Any) -> BreakerRule:
    settings: dict[str, Any] = {"window": Window(type="Count", calls=1_000, minimum_calls=1_000), **rule}
    retry = Retry(max_attempts=attempts, budget_percent=budget, per_try_timeout_ms=try_timeout_ms)
    return BreakerRule(name="b", policy="p", retry=retry, **settings)


def ended(proxy: Proxied) -> None:
    """No slot, deadline, alarm, waiter or place is left."""
    state = proxy.service.state
    assert (proxy.core.in_use, proxy.core.waiting, len(state.tracker), len(proxy.service.flights)) == (0, 0, 0, 0)
    assert not state.tracker._alarms
    assert all(breaker.under_way == 0 for breaker in proxy.service.circuits.all())


class Upstream:
    """Does what the script says for the n-th request (from 1), and remembers each."""

    def __init__(self, act: Callable[[Connection, int], None]) -> None:
        self.act = act
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def script(self, connection: Connection) -> None:
        while True:
            head, body = await connection.request()
            self.heads.append(head)
            self.bodies.append(body)
            self.act(connection, len(self.heads))

    def __len__(self) -> int:
        return len(self.heads)


def fails_until(good: int, how: str) -> Callable[[Connection, int], None]:
    def act(connection: Connection, number: int) -> None:
        if number >= good:
            connection.answer(b"good")
        elif how == "reset":
            connection.reset()
        elif how == "silent":
            pass
        else:
            connection.answer(b"bad", status=how.encode())

    return act
