"""A request that a cache rule matched but that goes past the cache: as any other, but its answer says why. Looks nothing up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.exchange import Exchange
from slipstream_runtime.proxy.stored import forwarded_line

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService


class BypassExchange(Exchange):
    """A request that a cache rule matched but that goes past the cache; its answer says why."""

    __slots__ = ("_line",)

    def __init__(
        self, service: HttpService, client: Client, head: RequestHead, operation: Operation, enforced: bool, reason: str, why: str
    ) -> None:
        super().__init__(service, client, head, operation)
        self._line = forwarded_line(reason, why) if enforced else operation.passing

    def cache_line(self, detail: str, stored: bool = False) -> bytes:
        return self._line
