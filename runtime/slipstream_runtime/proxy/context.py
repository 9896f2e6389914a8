"""What all connections of one runtime share: clocks, scanners, and whether it is stopping."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from slipstream_api.clock import Clock
from slipstream_runtime.cores.budget import ConnectionBudget
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.wire.wires import make_wires

if TYPE_CHECKING:
    from slipstream_runtime.observe.access import AccessLog
    from slipstream_runtime.observe.tracing import Tracing
    from slipstream_runtime.proxy.client import Client

IDLE_SECONDS: Final = 900.0  # a caller's pool keeps its connections; closing them early would race its next request
MAX_CLIENTS: Final = 10_000  # connections of callers; each costs memory and a descriptor
HEAD_SECONDS: Final = 30.0  # a head that takes longer is a slow loris
LINGER_SECONDS: Final = 2.0  # how long unread bytes are drained after a last answer, so that it isn't lost to a reset
NEVER: Final = math.inf


class Context:
    """One per runtime."""

    __slots__ = (
        "access",
        "answers",
        "budget",
        "clients",
        "clock",
        "date",
        "draining",
        "max_clients",
        "now",
        "refused",
        "requests",
        "time",
        "tracing",
        "tunnels",
        "wires",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.time: Callable[[], float] = clock.now  # the same, for what asks several times a request: no look-up of a method by name
        self.wires = make_wires()
        self.access: AccessLog | None = None  # set before the first listener opens; asked once a connection
        self.tracing: Tracing | None = None  # as above; and set before the first pool is made
        self.now = clock.now()  # of the last sweep: good enough for what is measured in seconds
        self.date = b""  # the header line of what we answer ourselves, renewed by the sweep
        self.requests = RequestScanner()
        self.answers = AnswerScanner()
        self.draining = False
        self.tunnels = 0  # raw connections: upgraded ones and those of raw ports
        self.max_clients = MAX_CLIENTS
        self.refused = 0  # connections beyond it
        self.budget = ConnectionBudget()  # of connections to upstreams, all pools together
        self.clients: set[Client] = set()

    def settle(self) -> None:
        """What became due by a change of the budget, in whoever waits for a place among all connections, or makes room for one."""
        budget = self.budget
        if budget.waiting:
            for holder in budget.settle(self.clock.now()):
                holder.driver.carry_out(holder.collect())
