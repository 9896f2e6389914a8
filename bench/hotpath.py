"""What one request costs in this process, sockets left out: the whole path from a client's bytes to the upstream's and back.

    python bench/hotpath.py [--profile WAY] [--rounds N --way WAY --work W0|W1]

Fake transports on both sides, so kernel and event loop don't count; CPU time, the least of several rounds, microseconds a request.
W0 is a bare head, W1 a realistic one (ten fields, 1,000 paths, 50 identities, fresh trace ids); each answer has an id of its own. Prints a
ratio to a peer measured in the same run: httptools (llhttp) parsing the same two heads and doing nothing with them. For comparing two
states of the code; judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httptools

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_api.config import BreakerRule, CacheRule, Limits, Match, Partition, Pool, RuntimeConfig, StoreConfig, Upstream
from slipstream_runtime.http.scanner import SCANNER
from slipstream_runtime.proxy import client as client_module
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.listener import Listener
from slipstream_runtime.runtime import Runtime

BODY = b'{"ok":true,"n":"0123456789"}' * 4
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\n%%bX-Request-Id: %%032x\r\n\r\n%b" % (len(BODY), BODY)
)
REQUESTS, ROUNDS, CLIENTS = 4_000, 7, 16
W1 = (
    b"GET %b?q=%d HTTP/1.1\r\nHost: memory-server:8080\r\nUser-Agent: python-httpx/0.28\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nX-Session-Id: s%d\r\nAuthorization: Bearer %b\r\n"
    b"traceparent: 00-%032x-%016x-01\r\n"
    b"X-Request-Id: %032x\r\n"
    b"Content-Type: application/json\r\n\r\n"
)


class Wire:
    """A transport that keeps what is written out of sockets; an upstream's is put on a list to be answered."""

    def __init__(self, asked: list[Any] | None = None) -> None:
        self.asked, self.protocol, self.written = asked, None, 0

    def write(self, data: bytes) -> None:
        self.written += 1
        if self.asked is not None:
            self.asked.append(self.protocol)

    def set_write_buffer_limits(self, high: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None: ...
    def abort(self) -> None: ...


def match(place: str) -> Match:
    return Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path=place)


class Way(NamedTuple):
    """What is asked for, and which layers are on beside routing, pool and figures."""

    target: bytes
    cache: bool
    breaker: bool


WAYS = {
    "plain": Way(b"/plain", False, False),
    "breaker": Way(b"/plain", False, True),
    "cache": Way(b"/pass", True, False),
    "pass": Way(b"/pass", True, True),
    "hit": Way(b"/hit", True, True),
}


async def path(way: Way, clock: Clock | None = None) -> tuple[Runtime, Any, list[Any]]:
    """A runtime with the layers of `way`, whose upstream is a list of connections to answer."""
    asked: list[Any] = []

    async def connect(self: Dialer, factory: Callable[[], Any], *_: object) -> tuple[Any, Any]:
        protocol, wire = factory(), Wire(asked)
        wire.protocol = protocol
        protocol.connection_made(wire)
        return wire, protocol

    Dialer.connect = connect  # type: ignore[method-assign, assignment]  # nothing else in this process dials
    runtime = Runtime(clock or MonotonicClock())
    await runtime.start(None)
    partition = Partition(type="Header", headers=("X-Session-Id", "Authorization"))
    cache = tuple(
        CacheRule(name=name, policy="p", store="s", ttl_ms=3_600_000, partition=partition, match=match(f"/{name}"))
        for name in ("hit", "pass")
    )
    breakers = (BreakerRule(name="b", policy="b"),)
    pool = Pool(name="m", upstream=Upstream(host="127.0.0.1", port=1), limits=Limits(min_connections=CLIENTS))
    pool = Pool(
        name="m",
        upstream=pool.upstream,
        limits=pool.limits,
        cache_rules=cache if way.cache else (),
        breaker_rules=breakers if way.breaker else (),
    )
    await runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(pool,), stores=(StoreConfig(name="s"),)), "Local")
    service = runtime.pools.services["m"]
    service.state.sweep(runtime.context.clock.now())  # dials the minimum
    for _ in range(3):
        await asyncio.sleep(0)
    assert service.pool.core.idle == CLIENTS
    return runtime, service, asked


def heads(target: bytes, real: bool) -> list[bytes]:
    """As many heads as one round asks with."""
    if not real:
        return [b"GET %b HTTP/1.1\r\nHost: memory-server:8080\r\nX-Session-Id: s1\r\n\r\n" % target] * REQUESTS
    return [W1 % (target, n % 1000, n % 50, b"%020d" % (n % 50), n * 7919, n, n * 104_729) for n in range(REQUESTS)]


def answers(target: bytes) -> list[bytes]:
    """As many answers, with an id of their own each, as those of most servers are."""
    rule = b"" if target == b"/hit" else b"Cache-Control: no-store\r\n"
    return [ANSWER % (rule, n * 7919) for n in range(REQUESTS)]


async def round_of(clients: list[Any], requests: list[bytes], asked: list[Any], answers: list[bytes]) -> float:
    """CPU seconds for all requests, each client asking in turn; dials run in between and aren't counted after the first round."""
    began = time.process_time()
    for start in range(0, len(requests), CLIENTS):
        for client, data in zip(clients, requests[start : start + CLIENTS], strict=False):
            client.data_received(data)
        while asked or any(client.exchange is not None for client in clients):
            waiting, asked[:] = asked[:], []
            for number, protocol in enumerate(waiting, start):
                protocol.data_received(answers[number])
            if not waiting:
                await asyncio.sleep(0)
    return time.process_time() - began


async def cost(way: Way, real: bool, rounds: int = ROUNDS, profile: cProfile.Profile | None = None) -> float:
    runtime, service, asked = await path(way)
    door = Listener(runtime.context, "127.0.0.1", 0)  # never opened
    door.serve("m", service)
    clients = [Client(runtime.context, door) for _ in range(CLIENTS)]
    for client in clients:
        client.connection_made(Wire())  # type: ignore[arg-type]
    requests, given = heads(way.target, real), answers(way.target)
    await round_of(clients, requests, asked, given)
    if profile is not None:
        profile.enable()
    found = [await round_of(clients, requests, asked, given) for _ in range(rounds)]
    if profile is not None:
        profile.disable()
    return min(found) / len(requests) * 1e6


def peer(target: bytes, real: bool) -> float:
    """llhttp over the same heads, without a callback."""
    requests, given, found = heads(target, real), answers(target), []
    parse, answered = httptools.HttpRequestParser, httptools.HttpResponseParser
    for _ in range(ROUNDS):
        began = time.process_time()
        reader, other = parse(object()), answered(object())
        for data, answer in zip(requests, given, strict=True):
            reader.feed_data(data)
            other.feed_data(answer)
        found.append(time.process_time() - began)
    return min(found) / len(requests) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", choices=WAYS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {REQUESTS} requests each, after a first that isn't counted")
    parser.add_argument("--way", choices=WAYS, help="this one alone")
    parser.add_argument("--work", choices=("W0", "W1"), help="this one alone")
    arguments = parser.parse_args()
    if arguments.profile:
        profile = cProfile.Profile()
        asyncio.run(cost(WAYS[arguments.profile], arguments.work != "W0", 1, profile))
        pstats.Stats(profile).sort_stats("tottime").print_stats(38)
        return
    ratios = []
    for name in [arguments.way] if arguments.way else WAYS:
        for work in [arguments.work] if arguments.work else ("W0", "W1"):
            ours, theirs = asyncio.run(cost(WAYS[name], work == "W1", arguments.rounds)), peer(WAYS[name].target, work == "W1")
            print(f"{name:7} {work} {ours:7.2f} us, llhttp {theirs:5.2f} us")
            ratios.append(f"{name}_{work.lower()}={ours / theirs:.1f}")
    compiled = "no" if (client_module.__file__ or "").endswith(".py") else "yes"
    print("hotpath:", " ".join(ratios), f"compiled={compiled} scanner={SCANNER}")


if __name__ == "__main__":
    main()
