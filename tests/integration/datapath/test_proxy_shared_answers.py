"""What an answer that several callers get carries of each: nothing of another's request, and no upstream's word widens a partition."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.config import Partition
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, Caller, Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

CALLERS = 5
PARTITIONS = {
    "PerCaller": (Partition(type="PerCaller"), b"Authorization"),
    "Header": (Partition(type="Header", headers=("X-Session-Id",)), b"X-Session-Id"),
}
OPEN_TO_ALL = (b"public, max-age=600", b"public, s-maxage=600", b"s-maxage=600, must-revalidate", b"public, immutable, max-age=600")


def ids(number: int) -> bytes:
    """What a caller's tracing puts into its requests; all of it contains `mark`."""
    trace, span = mark(number) * 4, mark(number) * 2
    return b"".join(
        b"%b: %b\r\n" % (name, value)
        for name, value in (
            (b"traceparent", b"00-%b-%b-01" % (trace, span)),
            (b"tracestate", b"vendor=%b" % span),
            (b"baggage", b"user=%b" % span),
            (b"X-Request-Id", span),
            (b"X-Correlation-Id", span),
            (b"Idempotency-Key", span),
        )
    )


def mark(number: int) -> bytes:
    return b"a%07d" % number


def carried(answer: Answer) -> set[int]:
    """Of whose ids there is something in an answer."""
    said = b"\n".join((*answer.fields.keys(), *answer.fields.values(), answer.body))
    return {number for number in range(CALLERS + 1) if mark(number) in said}


def script_of(says: str, heads: list[bytes], release: asyncio.Event) -> object:
    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            heads.append(head)
            await release.wait()
            if says == "cuts":
                connection.reset()
                return
            asked = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            connection.answer(extra=b"X-Request-Id: %b\r\n" % asked[b"X-Request-Id"] if says == "echoes" else b"")

    return script


async def together(proxy: Proxied, release: asyncio.Event) -> list[Answer]:
    """All callers of a cold key, the first of whom makes the call, and one who comes later."""
    callers = [await proxy.caller() for _ in range(CALLERS)]
    for number, caller in enumerate(callers):
        caller.get(b"/c", ids(number))
        await until(lambda number=number: len(proxy.service.state.tracker) == number + 1)  # type: ignore[misc]  # of this turn
    release.set()
    found = [await caller.answer() for caller in callers]
    return [*found, await (await proxy.caller()).ask(b"/c", ids(CALLERS))]


@pytest.mark.parametrize(("says", "calls"), [("plain", [0]), ("cuts", [0, CALLERS])])
@on_uvloop
async def test_trap_06_callers_who_share_an_answer_or_its_failure_learn_no_ids_of_each_other(says: str, calls: list[int]) -> None:
    """The call carries those of the one who made it, whole; the ids part no callers, and what goes on to others has none of them."""
    heads: list[bytes] = []
    release = asyncio.Event()
    async with RawUpstream(script_of(says, heads, release)) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:  # type: ignore[arg-type]  # a script
        found = await together(proxy, release)
        assert [carried(answer) for answer in found] == [set()] * (CALLERS + 1)
        made = [head for at, head in enumerate(heads) if head not in heads[:at]]  # a reset call may be made again
        whose = [all(line in head for line in ids(number).split(b"\r\n")) for number, head in zip(calls, made, strict=True)]
        assert all(whose)


@on_uvloop
async def test_trap_06_an_id_that_the_upstream_wrote_into_its_answer_is_told_as_another_calls() -> None:
    """It is part of what is stored, as every field is (RFC 9111 §3.1); Cache-Status says that the answer is another call's. The check above
    sees such an id: its negative control."""
    heads: list[bytes] = []
    release = asyncio.Event()
    async with RawUpstream(script_of("echoes", heads, release)) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:  # type: ignore[arg-type]  # a script
        found = await together(proxy, release)
        assert [carried(answer) for answer in found] == [{0}] * (CALLERS + 1)
        told = [answer.fields[b"cache-status"] for answer in found[1:]]
        assert all(b"collapsed" in status or b"; hit" in status for status in told)


@on_uvloop
async def test_trap_06_an_upstream_whose_answer_is_one_callers_says_so_by_vary() -> None:
    """Then each gets an answer of its own, and a key that names the header parts them as well."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            connection.answer(head.split(b"X-Request-Id: ")[1].split(b"\r\n")[0], b"Vary: X-Request-Id\r\n")

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        for number in (0, 1, 0):
            assert (await caller.ask(b"/c", ids(number))).body == mark(number) * 2


def echoing(name: bytes, control: bytes) -> object:
    """Answers with the identity of the asker, and that anybody may have it."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            _, found, rest = head.partition(b"%b: " % name)
            connection.answer(rest.split(b"\r\n")[0] if found else b"nobody", b"Cache-Control: %b\r\n" % control)

    return script


async def told(caller: Caller, name: bytes, asked: tuple[bytes, ...]) -> list[tuple[bytes, bool]]:
    """What each got, and whether it was stored before; `b""` asks without an identity."""
    found = [await caller.ask(b"/c", b"%b: %b\r\n" % (name, identity) if identity else b"") for identity in asked]
    return [(answer.body, b"; hit" in answer.fields[b"cache-status"]) for answer in found]


@pytest.mark.parametrize("control", OPEN_TO_ALL)
@pytest.mark.parametrize("kind", PARTITIONS)
@on_uvloop
async def test_trap_07_an_upstream_that_calls_its_answer_public_widens_no_partition(kind: str, control: bytes) -> None:
    """`public` is the word of whoever answers; whose data it is, the policy says. Who shows no identity isn't given it either."""
    partition, name = PARTITIONS[kind]
    async with RawUpstream(echoing(name, control)) as up, proxied(up.port, cache=(cache_rule(partition=partition),)) as proxy:  # type: ignore[arg-type]  # a script
        found = await told(await proxy.caller(), name, (b"one", b"two", b"", b"one", b"two", b""))
        assert found == [(b"one", False), (b"two", False), (b"nobody", False), (b"one", True), (b"two", True), (b"nobody", False)]


@on_uvloop
async def test_what_everybody_gets_is_seen() -> None:
    """Negative control: the policy itself says that it is everyone's."""
    async with RawUpstream(echoing(b"X-Session-Id", OPEN_TO_ALL[0])) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:  # type: ignore[arg-type]  # a script
        assert await told(await proxy.caller(), b"X-Session-Id", (b"one", b"two")) == [(b"one", False), (b"one", True)]
