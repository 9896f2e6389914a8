"""The operator's process: settings, wiring, kopf embedded in it, exit codes. `python -m slipstream_operator [--namespace NS]`.

Exit 0: asked to stop. Exit 1: a task died, or kopf gave up on a watch (after a minute of refusals): a restart reads all anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import kopf

from slipstream_operator import logs
from slipstream_operator.app import App
from slipstream_operator.certificates.keep import Keeper
from slipstream_operator.errors import OperatorError, Temporary
from slipstream_operator.handlers import register
from slipstream_operator.identity import cluster_id
from slipstream_operator.kube import api
from slipstream_operator.kube.client import Kube
from slipstream_operator.loadtests.controller import LoadTests
from slipstream_operator.settings import Settings, parse

log = logging.getLogger(__name__)
RETRY = 5.0
EXIT_GRACE = 15.0  # kopf gives its own tasks 5 s; the kubelet gives us 30
NOT_LOOKED = "not looked yet"  # what a Keeper says before its first look


class Stuck(Exception):  # noqa: N818 - what it is
    """kopf neither works nor ends."""


async def identify(kube: Kube, settings: Settings) -> str:
    """The cluster's id, however long the API server takes to answer."""
    while True:
        try:
            return await cluster_id(kube, settings)
        except Temporary as error:
            log.warning("the cluster's id can't be read, again in %.0f s: %s", RETRY, error)
            await asyncio.sleep(RETRY)


def assemble(settings: Settings, kube: Kube, cluster: str) -> App:
    """The operator with what lives in packages of its own: the injector's certificate, load tests."""
    app = App(settings, kube, cluster)
    keeper = Keeper(kube, time.time, settings.system_namespace)
    app.extra.append(("certificate", keeper.run))
    app.ready["certificate"] = lambda: "the injector's certificate hasn't been looked at" if keeper.reason == NOT_LOOKED else ""
    observer = app.metrics.of_queue("loadtests")
    tests = LoadTests(
        kube,
        app.caches,
        app.keys,
        cluster,
        settings.runtime_image,
        cluster_domain=settings.cluster_domain,
        observer=observer,
        admin_port=settings.admin_port,
    )
    app.extra.append(("loadtests", tests.run))
    app.load_test_changed = tests.add
    return app


async def supervise(app: App, operator: Coroutine[Any, Any, None], grace: float = EXIT_GRACE) -> None:
    """Until kopf ends; raises what it ends with, or Stuck. A watcher that swallows its cancellation would keep a deaf process alive."""
    stopped = asyncio.create_task(app.stopped.wait())  # kopf calls that last of all, and then has nothing left to do
    running = asyncio.create_task(operator)
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({running}, timeout=grace)
        if not running.done():
            raise Stuck(f"kopf didn't end within {grace:.0f} s")
        await running
    finally:
        running.cancel()
        stopped.cancel()


async def operate(settings: Settings, kube: Kube) -> int:
    """Runs until a signal or a crash; the exit code."""
    cluster = await identify(kube, settings)
    app = assemble(settings, kube, cluster)
    registry = kopf.OperatorRegistry()
    register(registry, app)
    await app.health.start(settings.health_port)
    log.info("operating %s, cluster %s", ", ".join(settings.namespaces) or "the whole cluster", cluster)
    try:
        await supervise(
            app,
            kopf.operator(
                registry=registry,
                settings=kopf.OperatorSettings(),
                clusterwide=settings.clusterwide,
                namespaces=settings.namespaces,
                standalone=True,
                stop_flag=app.stop_flag,
            ),
        )
    finally:
        await app.stop()
        await app.health.stop()
    return 1 if app.crashed else 0


async def run(settings: Settings) -> int:
    """As `operate`, with a client of its own. A signal before kopf listens to signals ends it as well."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    kube = await api.connect(timeout=settings.request_timeout)
    try:
        return await operate(settings, kube)
    except asyncio.CancelledError:
        return 0
    except Stuck as error:
        log.critical("%s: leaving without it", error)
        logging.shutdown()
        os._exit(1)  # asyncio.run would wait for the same tasks that don't end
    finally:
        with contextlib.suppress(Exception):
            await kube.close()


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(sys.argv[1:] if argv is None else argv, os.environ)
    logs.configure(settings.log_level, settings.log_format)
    try:
        return asyncio.run(run(settings))
    except OperatorError as error:
        log.critical("%s", error)
    except Exception:
        log.critical("the operator gives up", exc_info=True)
    return 1
