"""The connections of raw ports, as the budget of all connections knows them: each has a place from its dial to its end, none idles, and who
can't have a place at once is turned away. Dials nothing itself."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from slipstream_api.config import Limits, Upstream
from slipstream_runtime.cores.budget import Holder

if TYPE_CHECKING:
    from slipstream_runtime.proxy.context import Context

NEVER: Final = math.inf
QUIET_SECONDS: Final = 10.0  # between two log lines about those that were turned away

log = logging.getLogger("slipstream.listener")


class RawPorts(Holder):
    """One per runtime. It is in the queue of the budget for no longer than it takes to find out whether an idle connection makes room."""

    __slots__ = ("_asks", "_context", "_logged_at", "refused")

    def __init__(self, context: Context) -> None:
        super().__init__(Limits())
        self.driver = self
        self.refused: int = 0
        self._context = context
        self._asks: bool = False
        self._logged_at: float = -NEVER

    def takes(self, upstream: Upstream) -> bool:
        """A place for a connection to `upstream`, which `gives_back` ends; False: there is none."""
        if not self._context.budget.ask(self, 1, True):
            self._asks = True
            self._context.settle()
            if self._asks:
                self._asks = False
                self._context.settle()  # out of the queue
                self._refuse(upstream)
                return False
        self.in_use += 1
        return True

    def gives_back(self) -> None:
        self.in_use -= 1
        self._context.budget.give_back(self)
        self._context.settle()

    def _refuse(self, upstream: Upstream) -> None:
        self.refused += 1
        now = self._context.clock.now()
        if now >= self._logged_at + QUIET_SECONDS:
            self._logged_at = now
            extra = {"upstream": f"{upstream.host}:{upstream.port}", "limit": self._context.budget.limit, "refused": self.refused}
            log.warning("no place for a raw connection", extra=extra)

    # -- what the budget asks and has it do -------------------------------------------------------------------------------

    @property
    def idle(self) -> int:
        return 0

    @property
    def size(self) -> int:
        return self.in_use

    @property
    def idle_since(self) -> float:
        return NEVER

    @property
    def waits_since(self) -> float:
        return NEVER

    def wanted(self, now: float) -> int:
        return 1 if self._asks else 0

    def calm(self, nobody_waits: bool) -> None:
        """It keeps nothing idle."""

    def dial_one(self) -> None:
        self._asks = False

    def evict(self) -> None:
        """As above."""

    def collect(self) -> None:
        """Who asked dials."""

    def carry_out(self, work: None) -> None:
        """As above."""
