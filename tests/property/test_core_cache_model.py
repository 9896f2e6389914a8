"""Routing, keys, generations, store and single-flight together, as a data path would use them, against an upstream with sessions.

Each answer names whose it is and which version of that caller's data it shows. Checked of every answer that a caller gets, from the
store, from another's flight, stale or direct: it is the caller's own, and not older than the data was when the caller asked."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slipstream_runtime.cores.flight import Flight, Flights
from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.generations import Snapshot, Write
from slipstream_runtime.cores.key import CacheRequest
from tests.fakes.cores import Cached, a_cache_rule, lines

PATIENCE = 5.0
SESSIONS = ("s1", "s2")
sessions = st.sampled_from((*SESSIONS, SESSIONS[0]))


class Read:
    """One caller's read: from when it asked until it is answered."""

    def __init__(self, session: str, since: int, request: CacheRequest, snapshot: Snapshot) -> None:
        self.session = session
        self.least = since  # the caller's version when it asked
        self.request = request
        self.snapshot = snapshot
        self.flight: Flight[Read] | None = None
        self.left = False
        self.seen: tuple[str, int] | None = None  # what the upstream told, once it has


class CacheMachine(RuleBasedStateMachine):
    """The upstream holds a version per session; a write makes it the next one at some moment between the write's start and its end."""

    @initialize()
    def begin(self) -> None:
        self.now = 1_000.0
        self.cached = Cached(a_cache_rule(ttl_ms=10_000, stale_if_error_ms=10_000))
        self.flights: Flights[Read] = Flights()
        self.version = dict.fromkeys(SESSIONS, 0)
        self.acknowledged = dict.fromkeys(SESSIONS, 0)  # the version that a finished write, or an answer, has shown
        self.calls: list[Read] = []  # reads that are at the upstream
        self.lost: list[tuple[str, float]] = []  # writes that may still take effect, and until when
        self.writes: list[tuple[str, Write, bool]] = []  # with whether it has taken effect

    def answer(self, read: Read, body: bytes) -> None:
        whose, version = body.decode().split()
        assert whose == read.session, "another caller's answer"
        assert int(version) >= read.least, "older than what the caller could know"
        self.acknowledged[read.session] = max(self.acknowledged[read.session], int(version))

    @rule(session=sessions)
    def ask(self, session: str) -> None:
        operation = self.cached.router.route(b"GET", "/recall")
        plan = operation.cache
        assert plan is not None
        request = plan.reader.read(b"GET", b"/recall?q=x", lines(x_session_id=session))
        snapshot = self.cached.cache.generations.capture(plan.tags, request.partition, "/recall")
        read = Read(session, self.acknowledged[session], request, snapshot)
        entry = self.cached.store.get(request.key, plan, self.now)
        if entry is not None:
            self.answer(read, entry.body)
            return
        read.flight = self.flights.join(request.key, snapshot, read, self.now)
        if read.flight is None or read.flight.leader is read:
            self.calls.append(read)

    @rule(session=sessions)
    def ask_past_the_cache(self, session: str) -> None:
        """With no-store: what it shows, the caller knows from then on."""
        self.acknowledged[session] = max(self.acknowledged[session], self.version[session])

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def upstream_reads(self, data: st.DataObject) -> None:
        """The moment at which the upstream looks."""
        read = data.draw(st.sampled_from(self.calls))
        if read.seen is None:
            read.seen = (read.session, self.version[read.session])

    @precondition(lambda self: any(read.seen for read in self.calls))
    @rule(data=st.data(), end=st.sampled_from(("good", "uncacheable", "failed")))
    def upstream_answers(self, data: st.DataObject, end: str) -> None:
        self.land(data.draw(st.sampled_from([read for read in self.calls if read.seen])), end)

    @rule(session=sessions)
    def read_at_once(self, session: str) -> None:
        """A whole read without anything in between."""
        before = len(self.calls)
        self.ask(session)
        for read in self.calls[before:]:
            read.seen = (session, self.version[session])
            self.land(read, "good")

    def land(self, read: Read, end: str) -> None:
        assert read.seen is not None
        self.calls.remove(read)
        body = b"%b %d" % (read.seen[0].encode(), read.seen[1])
        if end == "failed":
            self.fail(read)
            return
        storing = judge(self.cached.plan, read.request, 200, lines(set_cookie="x") if end == "uncacheable" else [], self.now)
        detail = self.cached.store.put(read.request.key, self.cached.plan, read.snapshot, storing, 200, b"", body, self.now)
        if read.flight is None:
            self.answer(read, body)
        elif storing.detail:
            for other in self.flights.scatter(read.flight, self.now):
                other.flight = None
                self.calls.append(other)
            if not read.left:
                self.answer(read, body)
        else:
            assert detail in ("", "invalidated", "write-in-flight")
            for waiter in self.flights.land(read.flight):
                self.answer(waiter, body)

    def fail(self, read: Read) -> None:
        waiters = [read] if read.flight is None else self.flights.land(read.flight)
        for waiter in waiters:
            entry = self.cached.store.get_stale(waiter.request.key, self.cached.plan, self.now)
            if entry is not None:
                self.answer(waiter, entry.body)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leader_leaves(self, data: st.DataObject) -> None:
        """Its call goes on for the others, or is cancelled with the last."""
        read = data.draw(st.sampled_from(self.calls))
        read.left = True
        if read.flight is None or self.flights.leave(read.flight, read):
            self.calls.remove(read)

    @rule(session=sessions)
    def write_begins(self, session: str) -> None:
        operation = self.cached.router.route(b"POST", "/remember")
        self.writes.append((session, self.cached.cache.generations.begin_write(operation.invalidates, "/remember"), False))

    @precondition(lambda self: self.writes)
    @rule(data=st.data())
    def write_is_given_up(self, data: st.DataObject) -> None:
        """Its caller is gone; the upstream may carry it out later, until `patience` is over."""
        session, write, done = self.writes.pop(data.draw(st.integers(0, len(self.writes) - 1)))
        write.linger(self.now + PATIENCE)
        if not done:
            self.lost.append((session, self.now + PATIENCE))

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def lost_write_takes_effect(self, data: st.DataObject) -> None:
        """And its caller hears of it past the cache."""
        session, until = self.lost.pop(data.draw(st.integers(0, len(self.lost) - 1)))
        if self.now < until:
            self.version[session] += 1
            self.ask_past_the_cache(session)

    @precondition(lambda self: self.writes)
    @rule(data=st.data())
    def write_takes_effect(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.writes) - 1))
        session, write, done = self.writes[at]
        if not done:
            self.version[session] += 1
            self.writes[at] = (session, write, True)

    @precondition(lambda self: self.writes)
    @rule(data=st.data())
    def write_ends(self, data: st.DataObject) -> None:
        """Acknowledged, or refused by the upstream."""
        session, write, done = self.writes.pop(data.draw(st.integers(0, len(self.writes) - 1)))
        write.end()
        if done:
            self.acknowledged[session] = max(self.acknowledged[session], self.version[session])

    @rule(seconds=st.sampled_from((1.0, 6.0, 11.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.cached.cache.generations.settle(self.now)

    @invariant()
    def one_call_per_flight(self) -> None:
        flights = [read.flight for read in self.calls if read.flight is not None]
        assert len(flights) == len(set(map(id, flights)))


CacheMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestTrap02And09CacheUnderEverySequence = CacheMachine.TestCase
