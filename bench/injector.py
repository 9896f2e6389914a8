"""What a review costs: the injector's server over TLS on loopback, in a process of its own, asked as the API server asks. Changes nothing.

    python bench/injector.py [--reviews 2000] [--pools 200] [--connections 4]

Prints the latency of whole reviews (connection kept, as API servers do), the decision alone, and `injector: p99_ms=… limit_ms=25`;
exits 1 above the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import ssl
import sys
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any, Final

import aiohttp

from slipstream_api.clock import MonotonicClock
from slipstream_operator.certificates.authority import new_authority, new_certificate
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolIndex
from slipstream_operator.injector.published import load
from slipstream_operator.injector.server import InjectorServer, Reviewer
from slipstream_operator.injector.sidecar import Settings

NAME: Final = "slipstream-injector.slipstream-system.svc"
LIMIT_MS: Final = 25.0
WORKLOAD: Final = "slipstream.dev/workload"


def pool(number: int) -> dict[str, Any]:
    """Every tenth one is for the workload that is reviewed."""
    workload = "agent" if number % 10 == 0 else f"other-{number}"
    upstream = {"protocol": "HTTP", "host": f"server-{number}", "port": 8080}
    spec = {"workloads": [workload], "upstream": upstream, "listen": {"intercept": "HostAlias"}}
    return {"metadata": {"name": f"pool-{number}", "namespace": "agents"}, "spec": spec}


def review() -> bytes:
    """A pod of ordinary size: three containers with environment, probes, volumes; some 10 kB."""
    containers = [
        {
            "name": f"c{n}",
            "image": "agent:1",
            "env": [{"name": f"VARIABLE_{i}", "value": "x" * 80} for i in range(20)],
            "ports": [{"containerPort": 9000 + n, "name": "web"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "web"}},
            "volumeMounts": [{"name": f"v{i}", "mountPath": f"/v{i}"} for i in range(5)],
        }
        for n in range(3)
    ]
    volumes = [{"name": f"v{i}", "emptyDir": {}} for i in range(5)]
    pod = {"metadata": {"generateName": "agent-", "labels": {WORKLOAD: "agent"}}, "spec": {"containers": containers, "volumes": volumes}}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {"uid": "u", "namespace": "agents", "operation": "CREATE", "resource": resource, "object": pod}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def reviewer(pools: int) -> Reviewer:
    index = PoolIndex()
    index.replace(pool(n) for n in range(pools))
    settings = Settings("slipstream-runtime:dev", "uid", {"k1": "A" * 44})
    return Reviewer(index, lambda: settings, Metrics(), MonotonicClock())


def serve(pipe: Connection, pools: int) -> None:
    """The server's process: says port and authority, ends when the pipe does."""

    async def run() -> None:
        now = datetime.now(UTC)
        authority = new_authority(now)
        pair = new_certificate(authority, [NAME], now)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load(context, pair.certificate, pair.key)
        server = InjectorServer(reviewer(pools))
        await server.start(0, context, "127.0.0.1")
        pipe.send((server.port, authority.certificate.decode()))
        await asyncio.to_thread(pipe.poll, None)
        await server.stop()

    asyncio.run(run())


async def ask(port: int, authority: str, reviews: int, connections: int) -> list[float]:
    """Milliseconds of every review."""
    body, context, took = review(), ssl.create_default_context(cadata=authority), list[float]()
    url = f"https://127.0.0.1:{port}/inject"

    async def one_after_the_other(session: aiohttp.ClientSession, count: int) -> None:
        for _ in range(count):
            begin = time.perf_counter()
            async with session.post(url, data=body, ssl=context, server_hostname=NAME) as answer:
                found = await answer.json()
            took.append((time.perf_counter() - begin) * 1e3)
            if not found["response"].get("patch"):
                raise SystemExit("a review came back without a patch: nothing was measured")

    async with aiohttp.ClientSession() as session:
        await one_after_the_other(session, 50)
        took.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(one_after_the_other(session, reviews // connections))
    return sorted(took)


def quantile(values: list[float], q: float) -> float:
    return values[min(len(values) - 1, int(len(values) * q))]


def decision(pools: int, reviews: int) -> list[float]:
    under_test, body, took = reviewer(pools), review(), list[float]()
    for _ in range(reviews):
        begin = time.perf_counter()
        under_test.answer(body)
        took.append((time.perf_counter() - begin) * 1e3)
    return sorted(took)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reviews", type=int, default=2000)
    parser.add_argument("--pools", type=int, default=200)
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, options.pools))
    process.start()
    try:
        port, authority = ours.recv()
        took = asyncio.run(ask(port, authority, options.reviews, options.connections))
    finally:
        ours.send(None)
        process.join(10)
    alone = decision(options.pools, options.reviews)
    print(f"a review of {len(review())} bytes, {options.pools} pools in the namespace, {options.connections} at once, {len(took)} in all")
    for name, values in (("over TLS", took), ("decision alone", alone)):
        print(
            f"  {name:15} p50 {quantile(values, 0.5):7.2f} ms   p95 {quantile(values, 0.95):7.2f} ms   p99 {quantile(values, 0.99):7.2f} ms"
        )
    p99 = quantile(took, 0.99)
    print(f"injector: p99_ms={p99:.2f} limit_ms={LIMIT_MS:g}")
    return 0 if p99 < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
