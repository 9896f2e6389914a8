"""The layers of a request's two paths, a hit and a miss that passes through, each as an operation on the objects of a real runtime.
Measures nothing.

A layer does what the path does there, and calls nothing more often than a request does (twice.py looks). What has no call of its own in the
path is written out as the path has it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from layers.rig import NOW, Rig
from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.reuse import SERVE, reuse
from slipstream_runtime.http.forward import END, connection_line, forwarded_answer, forwarded_request, needs_chunks
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.permit import Permit
from slipstream_runtime.proxy.stored import forwarded_line, rendered
from timing import Operation


class Part(NamedTuple):
    """A layer of any runtime; `functions` are those that a request calls for it, once each, as mypyc names them."""

    make: Callable[[Rig, int], Operation]
    functions: tuple[str, ...]


class Layer(NamedTuple):
    """One of a certain runtime; `make` gives the operation, with fresh material for as many as it is told."""

    name: str
    make: partial[Operation]
    functions: tuple[str, ...]


def nothing(count: int) -> Operation:
    """What a loop costs that does nothing; taken off everything else."""
    material = [b""] * count

    def run(n: int) -> None:
        for _ in islice(material, n):
            pass

    return run


# -- what both paths begin with ---------------------------------------------------------------------------------------------


def request_scanned(on: Rig, count: int) -> Operation:
    take, limits, material = on.context.requests.take, on.service.limits, on.requests(count)

    def run(n: int) -> None:
        for data in islice(material, n):
            take(data, 0, 0, limits)

    return run


def routed(on: Rig, count: int) -> Operation:
    router, material = on.service.router, [head.line for head in on.heads(count)]

    def run(n: int) -> None:
        for line in islice(material, n):
            if line.routed_by is router:  # as HttpService.handle
                line.operation  # noqa: B018
            else:
                line.routed_by, line.operation = router, router.route(line.method, line.path)

    return run


def asked(on: Rig, count: int) -> Operation:
    reader, material = on.plan.reader, on.heads(count)

    def run(n: int) -> None:
        for head in islice(material, n):
            head.asks(reader)

    return run


def missed(on: Rig, count: int) -> Operation:
    find, plan, material = on.store.get_stale, on.plan, on.asked(count)

    def run(n: int) -> None:
        for request in islice(material, n):
            find(request.key, plan, NOW)

    return run


# -- a hit ------------------------------------------------------------------------------------------------------------------


def found(on: Rig, count: int) -> Operation:
    find, plan, material = on.store.get_stale, on.plan, on.asked(count)

    def run(n: int) -> None:
        for request in islice(material, n):
            if reuse(find(request.key, plan, NOW), request, NOW) != SERVE:
                raise AssertionError("not a hit")

    return run


def stored_rendered(on: Rig, count: int) -> Operation:
    material = [on.store.get_stale(request.key, on.plan, NOW) for request in on.asked(count)]

    def run(n: int) -> None:
        for entry in islice(material, n):
            rendered(entry, NOW)

    return run


def hit_counted(on: Rig, count: int) -> Operation:
    figures, counters, name = on.service.figures, on.plan.counters, on.operation.name

    def run(n: int) -> None:
        for _ in range(n):
            figures.requests += 1
            counters.hits += 1
            figures.hit(name)

    return run


# -- a miss that passes through -----------------------------------------------------------------------------------------------


def exchange_made(on: Rig, count: int) -> Operation:
    service, client, operation, plan, store = on.service, on.client, on.operation, on.plan, on.store
    material = list(zip(on.heads(count), on.asked(count), strict=True))

    def run(n: int) -> None:
        for head, request in islice(material, n):
            CachedExchange(service, client, head, operation, plan, store, request)

    return run


def marked(on: Rig, count: int) -> Operation:
    passes, material = on.service.flights.passes, on.asked(count)

    def run(n: int) -> None:
        for request in islice(material, n):
            if not passes(request.key, NOW):
                raise AssertionError("not marked")

    return run


def deadline(on: Rig, count: int) -> Operation:
    service, material = on.service, on.exchanges(count)

    def run(n: int) -> None:
        wait, forget = service.wait, service.tracker.forget
        for exchange in islice(material, n):
            wait(exchange, NOW)
            forget(exchange)

    return run


def permitted(on: Rig, count: int) -> Operation:
    circuits, circuit = on.service.circuits, on.operation.circuit

    def run(n: int) -> None:
        for _ in range(n):
            breaker = circuits.get(circuit, NOW)  # as Sending._admitted
            breaker.under_way += 1
            permit = Permit(breaker, breaker.acquire(NOW, False))
            permit.sent(NOW)
            permit.answered(200, NOW)
            breaker.under_way -= 1

    return run


def leased(on: Rig, count: int) -> Operation:
    pool, exchange = on.service.pool, on.exchanges(1)[0]

    def run(n: int) -> None:
        acquire, released = pool.acquire, pool.released
        for _ in range(n):
            released(acquire(exchange, NOW, False))

    return run


def request_rendered(on: Rig, count: int) -> Operation:
    host_for, material = on.service.host_for, on.heads(count)

    def run(n: int) -> None:
        for head in islice(material, n):
            forwarded_request(head, host_for(head))

    return run


def answer_scanned(on: Rig, count: int) -> Operation:
    take, material = on.context.answers.take, on.replies(count)

    def run(n: int) -> None:
        for data in islice(material, n):
            take(data, 0, 0, b"GET")

    return run


def judged(on: Rig, count: int) -> Operation:
    plan, material = on.plan, list(zip(on.asked(count), on.answered(count), strict=True))

    def run(n: int) -> None:
        for request, head in islice(material, n):
            judge(plan, request, head.status, head.told, NOW, 0.0)

    return run


def answer_rendered(on: Rig, count: int) -> Operation:
    material = [(head, data[data.index(END) + len(END) :]) for head, data in zip(on.answered(count), on.replies(count), strict=True)]

    def run(n: int) -> None:
        for head, body in islice(material, n):
            extra = forwarded_line("uri-miss", "no-store")  # from here on as Exchange._relay
            if head.block:
                b"".join((head.block, extra, b"", END, body))
            else:
                chunked = needs_chunks(head.body, True)
                forwarded_answer(head, extra, connection_line(True, True), chunked) + body

    return run


def pass_counted(on: Rig, count: int) -> Operation:
    figures, counters, name = on.service.figures, on.plan.counters, on.operation.name

    def run(n: int) -> None:
        for _ in range(n):
            figures.requests += 1
            counters.misses += 1
            counters.rejected += 1
            figures.by_class[200 // 100] += 1
            figures.observe(name, 0.0)

    return run


FIRST: Final = {
    "request head scanned": Part(request_scanned, ("request_scanner___RequestScanner___take",)),
    "routing, of a line seen before": Part(routed, ()),  # no call; compiled, two loads that nobody could count
    "key: what it asks of the cache": Part(asked, ("request___RequestHead___asks",)),
}
HIT: Final = {
    **FIRST,
    "store look-up, a hit": Part(found, ("store___Store___get_stale", "reuse___reuse")),
    "answer rendered": Part(stored_rendered, ("stored___rendered",)),
    "figures": Part(hit_counted, ("figures___PoolFigures___hit",)),
}
PASS: Final = {
    **FIRST,
    "store look-up, a miss": Part(missed, ("store___Store___get_stale",)),
    "exchange made": Part(exchange_made, ("caching___CachedExchange",)),
    "single-flight: the mark to pass": Part(marked, ("flight___Flights___passes",)),
    "deadline tracked, forgotten": Part(deadline, ("service___HttpService___wait", "tracker___Tracker___forget")),
    "breaker: acquire, good result": Part(
        permitted,
        (
            "circuits___Circuits___get",
            "breaker___Breaker___acquire",
            "permit___Permit",
            "permit___Permit___sent",
            "permit___Permit___answered",
        ),
    ),
    "pool: take, put": Part(leased, ("driver___PoolDriver___acquire", "driver___PoolDriver___released")),
    "request head rendered": Part(request_rendered, ("forward___forwarded_request", "service___HttpService___host_for")),
    "answer head scanned": Part(answer_scanned, ("answer_scanner___AnswerScanner___take",)),
    "answer judged (no-store)": Part(judged, ("freshness___judge", "answer___AnswerHead___told")),
    "answer head rendered": Part(
        answer_rendered,
        ("stored___forwarded_line", "forward___forwarded_answer", "forward___connection_line", "forward___needs_chunks"),
    ),
    "figures": Part(pass_counted, ("figures___PoolFigures___observe",)),
}


def layers(on: Rig) -> list[Layer]:
    """Those of its path, in the order of the path."""
    return [Layer(name, partial(part.make, on), part.functions) for name, part in (HIT if on.hit else PASS).items()]
