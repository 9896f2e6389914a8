"""The data path's own client and upstream connections on transports that aren't there: bytes in, messages out. Opens no socket.

Nothing of the parsing is written again here: buffers, cuts and the loop over pipelined messages are those that serve."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from slipstream_api.clock import ManualClock
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.parties import Call, Door, Owner, Service
from slipstream_runtime.proxy.upstream import UpstreamConnection

OPEN, CLOSED, REFUSED = "open", "closed", "refused"


class Wire:
    """What a protocol asks of its transport."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended = False
        self.paused = False

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        self.written.append(data)

    def close(self) -> None:
        self.ended = True

    abort = close

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int) -> None:
        assert high > 0


class Message(NamedTuple):
    """A complete message. `start` is method and target of a request, the status of an answer; `end` the index after it."""

    start: tuple[bytes, ...]
    body: bytes
    end: int


class Outcome(NamedTuple):
    """The messages that were complete, and what became of the connection."""

    messages: list[Message]
    state: str

    def readings(self) -> tuple[list[tuple[tuple[bytes, ...], bytes]], str]:
        """Without the places, which are known only as exactly as the reads were cut."""
        return [(message.start, message.body) for message in self.messages], self.state


class _Request(Call):
    """A request whose body is under way; answered once it is complete."""

    def __init__(self, recorder: RequestRecorder, client: Client, head: RequestHead, body: bytes) -> None:
        self.recorder, self.client, self.head, self.body = recorder, client, head, body

    def on_request_body(self, data: bytes, complete: bool) -> None:
        self.body += data
        if complete:
            self.recorder.complete(self.head, self.body)
            self.client.finished(self.client.keeps(self.head))

    def on_client_gone(self) -> None:
        self.recorder.dropped += 1


class RequestRecorder(Service):
    """One client connection, and the requests that came through it."""

    def __init__(self, context: Context | None = None) -> None:
        self.context = context or Context(ManualClock())
        self.messages: list[Message] = []
        self.fed = 0
        self.dropped = 0
        self.most_kept = 0
        door = Door()
        door.service = self
        self.client = Client(self.context, door)
        self.wire = Wire()
        self.client.connection_made(self.wire)  # type: ignore[arg-type]  # what it asks of a transport is there

    def handle(self, client: Client, head: RequestHead, body: bytes, complete: bool) -> Call | None:
        if not complete:
            return _Request(self, client, head, body)
        self.complete(head, body)
        client.finished(client.keeps(head))
        return None

    def complete(self, head: RequestHead, body: bytes) -> None:
        authority = head.host or b""
        self.messages.append(Message((head.method, head.line.target, authority), body, self.fed))

    def feed(self, data: bytes) -> None:
        self.fed += len(data)
        if not self.wire.ended:
            self.client.data_received(data)
            self.most_kept = max(self.most_kept, len(self.client._buffer))

    def outcome(self) -> Outcome:
        refused = self.dropped or any(b"X-Slipstream-Reason: BadRequest" in data for data in self.wire.written)
        return Outcome(self.messages, REFUSED if refused else CLOSED if self.wire.ended else OPEN)


class _Kept(Owner):
    """Whether the connection may be used again. An object of its own: compiled, the parties are bases that can't be joined in one class."""

    def __init__(self) -> None:
        self.reusable = False

    def released(self, connection: UpstreamConnection) -> None:
        self.reusable = True

    def lost(self, connection: UpstreamConnection) -> None:
        self.reusable = False


class AnswerRecorder(Call):
    """One upstream connection with one request sent, and its answer. As the exchange does, a 101 that nobody asked for is refused."""

    def __init__(self, method: bytes = b"GET", context: Context | None = None) -> None:
        self.messages: list[Message] = []
        self.fed = 0
        self.failure: Failure | None = None
        self._status = 0
        self._body = b""
        self.interim: list[int] = []
        context = context or Context(ManualClock())
        self._kept = _Kept()
        self.connection = UpstreamConnection(self._kept, context.answers)
        self.wire = Wire()
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]  # what it asks of a transport is there
        self.connection.start(self, method, b"", True)

    @property
    def reusable(self) -> bool:
        return self._kept.reusable

    def on_interim(self, head: AnswerHead) -> None:
        self.interim.append(head.status)

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._status = head.status
        self.on_body(body, complete)

    def on_body(self, data: bytes, complete: bool) -> None:
        self._body += data
        if complete:
            self.messages.append(Message((b"%d" % self._status,), self._body, self.fed))

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        self.connection.abandon()
        self.failure = _SWITCHED

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        self.failure = failure

    def feed(self, data: bytes) -> None:
        self.fed += len(data)
        if not self.connection.closed:
            self.connection.data_received(data)

    def end(self) -> None:
        """FIN."""
        if not self.connection.closed:
            self.connection.eof_received()

    def outcome(self) -> Outcome:
        refused = self.failure is not None
        return Outcome(self.messages, REFUSED if refused else CLOSED if self.connection.closed else OPEN)


_SWITCHED = Failure("Switched", 502, "http_protocol_error", "Reset", "", "a 101")


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at `places`."""
    at = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at) if end > start]


def requests_in(parts: list[bytes], context: Context | None = None) -> RequestRecorder:
    """A client connection after it has read `parts`."""
    recorder = RequestRecorder(context)
    for part in parts:
        recorder.feed(part)
    return recorder


def answer_in(parts: list[bytes], method: bytes = b"GET", end: bool = False, context: Context | None = None) -> AnswerRecorder:
    """An upstream connection after it has read `parts`, and the FIN after them where `end` says so."""
    recorder = AnswerRecorder(method, context)
    for part in parts:
        recorder.feed(part)
    if end:
        recorder.end()
    return recorder


def octets(data: bytes) -> list[bytes]:
    """Cut everywhere, so that a message's end is known exactly; only every hundred bytes at the start of what is long."""
    coarse = max(0, len(data) - 3000) // 100 * 100
    return [data[at : at + 100] for at in range(0, coarse, 100)] + [data[at : at + 1] for at in range(coarse, len(data))]
