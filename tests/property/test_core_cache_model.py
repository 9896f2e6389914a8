"""Routing, keys, generations, store and single-flight together, as a data path would use them, against an upstream with sessions.

Each answer names whose it is and which version of that caller's data it shows. Checked of every answer that a caller gets, from the
store, from another's flight, stale or direct: it is the caller's own, and not older than what the caller could know when it asked.
Episodes are drawn from fixed seeds rather than by hypothesis: races need many steps, and these are thirty times as many a second."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from slipstream_runtime.cores.flight import Flight, Flights
from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.generations import Snapshot, Write, path_scope
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.store import Store
from tests.fakes.cores import Cached, a_cache_rule, lines

EPISODES, STEPS = 2_000, 40
PATIENCE = 5.0
SESSIONS = ("s1", "s2")


class Read:
    """One caller's read: from when it asked until it is answered."""

    def __init__(self, session: str, least: int, request: CacheRequest, snapshot: Snapshot) -> None:
        self.session = session
        self.least = least  # the version that the caller knew of when it asked
        self.request = request
        self.snapshot = snapshot
        self.flight: Flight[Read] | None = None
        self.left = False
        self.seen: int | None = None  # the version that the upstream saw, once it has looked


class Model:
    """The upstream holds a version per session; a write makes it the next one at some moment between the write's start and its end."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 1_000.0
        self.cached = Cached(a_cache_rule(ttl_ms=10_000, stale_if_error_ms=10_000))
        self.flights: Flights[Read] = Flights()
        self.version = dict.fromkeys(SESSIONS, 0)
        self.known = dict.fromkeys(SESSIONS, 0)  # the version that an answer or an acknowledged write has shown
        self.calls: list[Read] = []  # reads that are at the upstream
        self.writes: list[list[object]] = []  # [session, Write, has taken effect]
        self.lost: list[tuple[str, float]] = []  # writes that nobody waits for and that may still take effect, until when
        self.sources: set[str] = set()
        self.trace: list[str] = []

    def session(self) -> str:
        return self.random.choice((*SESSIONS, SESSIONS[0]))

    def answer(self, read: Read, body: bytes, source: str) -> None:
        whose, version = body.decode().split()
        assert whose == read.session, ("another caller's answer", self.trace)
        assert int(version) >= read.least, ("older than what the caller could know", self.trace)
        self.known[read.session] = max(self.known[read.session], int(version))
        self.sources.add(source)

    # What callers do

    def ask(self) -> None:
        session = self.session()
        self.trace.append(session)
        plan = self.cached.router.route(b"GET", "/recall").cache
        assert plan is not None
        request = plan.reader.read(b"GET", b"/recall?q=x", lines(x_session_id=session))
        snapshot = self.cached.cache.generations.capture(plan.tags, request.partition, path_scope("/recall"))
        read = Read(session, self.known[session], request, snapshot)
        entry = self.cached.store.get(request.key, plan, self.now)
        if entry is not None:
            self.answer(read, entry.body, "hit")
            return
        read.flight = self.flights.join(request.key, read.snapshot, read, self.now)
        if read.flight is None or read.flight.leader is read:
            self.calls.append(read)

    def ask_past_the_cache(self) -> None:
        """With no-store: what it shows, the caller knows from then on."""
        session = self.session()
        self.known[session] = self.version[session]

    def read_at_once(self) -> None:
        """A whole read without anything in between."""
        before = len(self.calls)
        self.ask()
        for read in self.calls[before:]:
            read.seen = self.version[read.session]
            self.land(read, "good")

    def a_caller_leaves(self) -> None:
        """Its call goes on for the others, or is cancelled with the last."""
        if self.calls:
            read = self.random.choice(self.calls)
            read.left = True
            if read.flight is None or self.flights.leave(read.flight, read):
                self.calls.remove(read)

    def write_begins(self) -> None:
        invalidates = self.cached.router.route(b"POST", "/remember").invalidates
        self.writes.append([self.session(), self.cached.cache.generations.begin_write(invalidates, "/remember"), False])

    def write_is_given_up(self) -> None:
        """The upstream may carry it out later, until PATIENCE is over."""
        if self.writes:
            session, write, done = self.writes.pop(self.random.randrange(len(self.writes)))
            assert isinstance(write, Write)
            write.linger(self.now + PATIENCE)
            if not done:
                self.lost.append((str(session), self.now + PATIENCE))

    # What the upstream does

    def upstream_looks(self) -> None:
        unseen = [read for read in self.calls if read.seen is None]
        if unseen:
            read = self.random.choice(unseen)
            read.seen = self.version[read.session]

    def upstream_answers(self) -> None:
        seen = [read for read in self.calls if read.seen is not None]
        if seen:
            self.land(self.random.choice(seen), self.random.choice(("good", "good", "good", "uncacheable", "failed")))

    def write_takes_effect(self) -> None:
        pending = [write for write in self.writes if not write[2]]
        if pending:
            write = self.random.choice(pending)
            self.version[str(write[0])] += 1
            write[2] = True

    def lost_write_takes_effect(self) -> None:
        if self.lost:
            session, until = self.lost.pop()
            self.version[session] += self.now < until

    def write_ends(self) -> None:
        """Acknowledged, or refused."""
        if self.writes:
            session, write, done = self.writes.pop(self.random.randrange(len(self.writes)))
            assert isinstance(write, Write)
            write.end()
            if done:
                self.known[str(session)] = self.version[str(session)]

    def time_passes(self) -> None:
        self.now += self.random.choice((0.5, 3.0, 6.0))
        self.cached.cache.generations.settle(self.now)

    # What the data path does with an answer

    def land(self, read: Read, end: str) -> None:
        self.trace.append(end)
        self.calls.remove(read)
        if end == "failed":
            for waiter in [read] if read.flight is None else self.flights.land(read.flight):
                entry = self.cached.store.get_stale(waiter.request.key, self.cached.plan, self.now)
                if entry is not None:
                    self.answer(waiter, entry.body, "stale")
            return
        body = f"{read.session} {read.seen}".encode()
        storing = judge(self.cached.plan, read.request, 200, lines(set_cookie="x") if end == "uncacheable" else [], self.now)
        self.cached.store.put(read.request.key, self.cached.plan, read.snapshot, storing, 200, b"", body, self.now)
        if read.flight is None:
            self.answer(read, body, "alone")
        elif storing.detail:
            for other in self.flights.scatter(read.flight, self.now):
                other.flight = None
                self.calls.append(other)
            if not read.left:
                self.answer(read, body, "scattered")
        else:
            for waiter in self.flights.land(read.flight):
                self.answer(waiter, body, "led" if waiter is read else "joined")

    def step(self) -> None:
        steps: tuple[Callable[[], None], ...] = (
            *(self.ask, self.ask, self.read_at_once, self.ask_past_the_cache, self.a_caller_leaves, self.write_begins),
            *(self.write_is_given_up, self.upstream_looks, self.upstream_looks, self.upstream_answers, self.upstream_answers),
            *(self.write_takes_effect, self.lost_write_takes_effect, self.write_ends, self.write_ends, self.time_passes),
        )
        step = self.random.choice(steps)
        self.trace.append(step.__name__)
        step()
        flights = [read.flight for read in self.calls if read.flight is not None]
        assert len(flights) == len(set(map(id, flights))), ("two calls for one flight", self.trace)


def explore(seed: int) -> set[str]:
    """Runs episodes; where answers came from."""
    sources: set[str] = set()
    for episode in range(EPISODES):
        model = Model(Random(f"{seed}/{episode}"))
        for _ in range(STEPS):
            model.step()
        sources |= model.sources
    return sources


@pytest.mark.parametrize("seed", range(4))
def test_trap_02_and_09_every_answer_is_the_callers_own_and_none_is_older_than_it_could_know(seed: int) -> None:
    """Under every order of reads, writes, cancellations, failures and expiries; and every way to an answer was taken."""
    assert explore(seed) == {"hit", "stale", "alone", "scattered", "led", "joined"}


def test_the_model_finds_a_store_that_ignores_invalidations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without generations an answer is soon too old."""
    monkeypatch.setattr(Snapshot, "current", lambda self: True)
    with pytest.raises(AssertionError, match="older than"):
        explore(0)


def test_the_model_finds_answers_stored_while_a_write_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what was read before the write took effect is stored after the invalidation at its start."""
    monkeypatch.setattr(Snapshot, "writing", lambda self: False)
    with pytest.raises(AssertionError, match="older than"):
        explore(0)


def test_the_model_finds_a_write_that_does_not_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: given up by its caller, carried out by the upstream."""
    monkeypatch.setattr(Write, "linger", lambda self, until: self.end())
    with pytest.raises(AssertionError, match="older than"):
        explore(0)


def test_the_model_finds_a_key_without_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: everybody's answers under one key."""
    get, get_stale, put = Store.get, Store.get_stale, Store.put
    monkeypatch.setattr(Store, "get", lambda self, key, *rest: get(self, b"", *rest))
    monkeypatch.setattr(Store, "get_stale", lambda self, key, *rest: get_stale(self, b"", *rest))
    monkeypatch.setattr(Store, "put", lambda self, key, *rest: put(self, b"", *rest))
    with pytest.raises(AssertionError, match="another caller"):
        explore(0)
