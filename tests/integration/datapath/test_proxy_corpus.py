"""The corpus of framing attacks over real sockets: what the sidecar forwards is exactly the requests it accepted, none smuggled."""

from __future__ import annotations

import h11
import pytest

from tests.corpus.http import REFUSED_STATE, Case, answers, requests
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream


class Recorder:
    """An upstream that reads with h11, answers each whole request that h11 sees, and keeps it."""

    def __init__(self) -> None:
        self.seen: list[h11.Request] = []
        self.faults: list[str] = []

    async def __call__(self, connection: Connection) -> None:
        data = b""
        while True:
            parser = h11.Connection(h11.SERVER)
            if data:  # none would be the end
                parser.receive_data(data)
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError as error:
                    self.faults.append(f"not a request: {error}")
                    return
                if event is h11.NEED_DATA:
                    received = await connection.reader.read(65536)
                    if not received:
                        if parser.trailing_data[0] and parser.their_state is h11.IDLE:
                            self.faults.append("half a head")  # half a body is that of a client that left
                        return
                    parser.receive_data(received)
                elif isinstance(event, h11.Request):
                    request = event
                    if b"100-continue" in dict(event.headers).values():
                        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                elif isinstance(event, h11.EndOfMessage):
                    self.seen.append(request)
                    break
            data = parser.trailing_data[0]
            connection.answer()

    def smuggled(self) -> list[bytes]:
        """Requests without exactly the one mark that the sidecar puts on each: they came in another's bytes."""
        marks = [[value for name, value in request.headers if name == b"via"] for request in self.seen]
        return [request.target for request, via in zip(self.seen, marks, strict=True) if via != [b"1.1 slipstream"]]


async def _attack(proxy: Proxied, case: Case) -> None:
    """Send a case on a connection of its own and read all that must come back."""
    caller = await proxy.caller()
    caller.send(case.data)
    if case.state == REFUSED_STATE:
        await caller.reader.read()  # answers before it, the refusal, the end
    else:
        for _ in range(case.messages):
            found = await caller.answer(case.data[:4].strip())
            if found.status == 100:
                await caller.answer()
    caller.leave()


@on_uvloop
async def test_trap_39_what_is_forwarded_is_what_was_accepted_and_nothing_else() -> None:
    """Each case on a connection of its own, all over the same upstream connections, as an attacker would have it."""
    recorder = Recorder()
    async with RawUpstream(recorder) as up, proxied(up.port) as proxy:
        for case in requests():
            before = len(recorder.seen)
            await _attack(proxy, case)
            targets = [request.target for request in recorder.seen[before:]]
            assert len(targets) == case.messages, (case.name, targets)
            assert b"/smuggled" not in targets, case.name
            assert recorder.faults == [], case.name
        assert recorder.smuggled() == []


@on_uvloop
async def test_trap_39_bytes_behind_an_answer_are_nobodys_answer() -> None:
    """Whatever an upstream sends, the next caller gets its own answer or an error, never what was left over."""
    current: list[Case] = []

    async def script(connection: Connection) -> None:
        while b" /case " not in await connection.head():
            connection.answer(b"mine")
        connection.send(current[0].data)
        if current[0].end:
            connection.writer.write_eof()
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        for case in answers():
            current[:] = [case]
            caller = await proxy.caller()
            caller.get(b"/case", method=case.method)
            caller.get(b"/own")
            received = b""
            while not received.endswith(b"mine"):
                data = await caller.reader.read(65536)
                if not data:
                    break  # half an answer: the connection was cut
                received += data
            assert b"smuggled" not in received, case.name
            assert received.endswith(b"mine") or case.state == REFUSED_STATE or case.end or b"Connection: close" in received, case.name
            caller.leave()


@pytest.mark.parametrize(("data", "fault"), [(b"GET / HTTP/1.1\r\n\r\n", "not a request"), (b"GET / HTTP/1.1\r\nHost: a\r\n", "half")])
@on_uvloop
async def test_the_recorder_sees_what_is_wrong(data: bytes, fault: str) -> None:
    """Negative control: no Host, and a head that never ends."""
    recorder = Recorder()
    async with RawUpstream(recorder) as up, proxied(up.port) as proxy:
        caller = await type(await proxy.caller()).open(up.port)
        caller.send(data)
        caller.writer.write_eof()
        await caller.reader.read()
        caller.leave()
    assert fault in recorder.faults[0]


@on_uvloop
async def test_a_smuggled_request_lacks_the_mark() -> None:
    """Negative control: past the sidecar, a pipelined request is seen as such."""
    recorder = Recorder()
    async with RawUpstream(recorder) as up, proxied(up.port) as proxy:
        caller = await type(await proxy.caller()).open(up.port)
        caller.send(b"GET /a HTTP/1.1\r\nHost: a\r\nVia: 1.1 slipstream\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        await caller.answer()
        await caller.answer()
        caller.leave()
    assert recorder.smuggled() == [b"/smuggled"]
