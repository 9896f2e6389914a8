"""POST /inject over TLS: reads a review, asks the pure decision, answers. Never denies; knows no API server."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from aiohttp import web

from slipstream_api.clock import Clock
from slipstream_operator.injector import review
from slipstream_operator.injector.inject import inject
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolFacts
from slipstream_operator.injector.sidecar import Settings
from slipstream_operator.names import LABEL_WORKLOAD

log = logging.getLogger(__name__)

# A pod may have 1.5 MiB, and a review holds it next to its old self; aiohttp's own limit is 1 MiB.
MAX_REVIEW: Final = 3 << 20


class Pools(Protocol):
    def of(self, namespace: str, workload: str) -> Sequence[PoolFacts]: ...


class Reviewer:
    """One review after the other. `settings` is asked each time: keys change."""

    def __init__(self, pools: Pools, settings: Callable[[], Settings], metrics: Metrics, clock: Clock) -> None:
        self._pools, self._settings, self._metrics, self._clock = pools, settings, metrics, clock

    def answer(self, body: bytes) -> bytes:
        """The answer to a review; raises review.BadReview where there is nobody to answer to."""
        begin = self._clock.now()
        request = review.read(body)
        try:
            answer, outcome = self._decide(request)
        except Exception as error:
            # Whatever it is, the pod must start: the operator reports it as one without a sidecar.
            log.exception("review %s in namespace %s failed", request.uid, request.namespace)
            answer = review.allowed(request.uid, f"no sidecar: the injector failed on this pod ({type(error).__name__}); see its log")
            outcome = "Error"
        self._metrics.reviews.labels(outcome).inc()
        self._metrics.seconds.observe(self._clock.now() - begin)
        return answer

    def _decide(self, request: review.Request) -> tuple[bytes, str]:
        labels = (request.pod.get("metadata") or {}).get("labels") or {}
        pools = self._pools.of(request.namespace, labels.get(LABEL_WORKLOAD, ""))
        injection = inject(request.pod, request.namespace, pools, self._settings())
        return review.answer(request, injection), injection.outcome


class InjectorServer:
    """The TLS side. Health and metrics are on a server of their own, which works before there is a certificate."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int, context: ssl.SSLContext, host: str | None = None) -> None:
        """Without a host on every address, IPv4 and IPv6."""
        app = web.Application(client_max_size=MAX_REVIEW)
        app.router.add_post("/inject", self._inject)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _inject(self, request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp answers 413 beyond MAX_REVIEW
        try:
            answer = self._reviewer.answer(body)
        except review.BadReview as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(body=answer, content_type="application/json")
