"""Sessions, writes, failures, deadlines, reloads and callers that leave, in any order, and what each may be told: steps for proxy_world.

Each answer of the upstream names whose it is and which version of that session's data it shows. Draws from the source it is given."""

from __future__ import annotations

from random import Random
from typing import Any

from slipstream_api.config import (
    BreakerRule,
    CacheKey,
    CacheRule,
    Fallback,
    HalfOpen,
    Invalidation,
    Limits,
    Match,
    Open,
    Partition,
    Pool,
    Retry,
    Trip,
    Upstream,
    Window,
)
from tests.fakes.proxy_world import Person, Place, World
from tests.fakes.written_bodies import Written, is_write, session_of, whole

SESSIONS = (b"s1", b"s2", b"s3")
TIMEOUT = 5.0
EXTRAS = (
    *[b""] * 3,
    b"Cache-Control: no-cache\r\n",
    *[b"Cache-Control: max-stale=30\r\n"] * 2,
    b'If-None-Match: "x"\r\n',
    b"X-Envoy-Expected-Rq-Timeout-Ms: 1500\r\n",
    b"X-Envoy-Expected-Rq-Timeout-Ms: 1000\r\nCache-Control: no-cache\r\n",
)


def pool(ttl: float) -> Pool:
    match = Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path="/r")
    write = Match(protocol="HTTP", methods=("POST",), path_kind="Exact", path="/w")
    return Pool(
        name="m",
        upstream=Upstream(host="127.0.0.1", port=1),
        limits=Limits(
            max_connections=3, max_pending=4, request_timeout_ms=int(TIMEOUT * 1_000), acquire_timeout_ms=4_000, idle_timeout_ms=8_000
        ),
        cache_rules=(
            CacheRule(
                name="r", policy="p", store="s", match=match, ttl_ms=int(ttl * 1_000), tags=("t",), key=CacheKey(),
                stale_while_revalidate_ms=4_000, stale_if_error_ms=6_000, partition=Partition(type="Header", headers=("X-Session-Id",)),
            ),
        ),
        invalidations=(Invalidation(name="w", policy="p", match=write, tags=("t",)),),
        breaker_rules=(
            BreakerRule(
                name="b", policy="b", window=Window(type="Count", calls=8, minimum_calls=4), trip=Trip(failure_rate_percent=60),
                open=Open(duration_ms=2_000), half_open=HalfOpen(max_probes=2, minimum_probes=2), retry=Retry(max_attempts=2),
                fallback=(Fallback(type="StaleCache"), Fallback(type="FailFast")),
            ),
        ),
    )  # fmt: skip


class Asker:
    """A session's connection; `least` is the version that it knew of when it asked what is under way."""

    def __init__(self, session: bytes, person: Person) -> None:
        self.session = session
        self.person = person
        self.least = -1  # nothing is under way
        self.rest: list[bytes] = []  # of a write's body, still to be sent


class Model:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.world = World(pool(5.0), lambda: random.random())
        self.version = dict.fromkeys(SESSIONS, 0)
        self.known = dict.fromkeys(SESSIONS, 0)  # what an answer or an acknowledged write has shown
        self.askers: list[Asker] = []
        self.looked: dict[Place, tuple[bytes, bytes, int]] = {}  # by place: request, session, version that the upstream saw
        self.lost: list[tuple[bytes, float]] = []  # writes that nobody waits for, which may take effect until then
        self.written = Written(random)
        self.ways: set[bytes] = set()
        self.steps = 0

    # -- steps ------------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        session = self.random.choice(SESSIONS)
        asker = next((a for a in self.askers if a.session == session and a.least < 0 and not a.rest), None)
        if asker is None:
            if len(self.askers) >= 8:
                return
            asker = Asker(session, self.world.person())
            self.askers.append(asker)
        asker.least = self.known[session]
        if self.random.random() < 0.15:
            asker.rest = self.written.request(session)
            asker.person.ask(asker.rest.pop(0))
        else:
            extra = self.random.choice(EXTRAS)
            asker.person.ask(b"GET /r HTTP/1.1\r\nHost: up\r\nX-Session-Id: %b\r\n%b\r\n" % (session, extra))

    def more(self) -> None:
        """A slow caller goes on with its body; also where it was answered before its end."""
        slow = [asker for asker in self.askers if asker.rest]
        if slow:
            asker = self.random.choice(slow)
            self.ways.add(b"a slow body" if asker.least >= 0 else b"a body after its answer")
            asker.person.ask(asker.rest.pop(0))

    def leave(self) -> None:
        if self.askers:
            self.askers.pop(self.random.randrange(len(self.askers))).person.leave()

    def dial_ends(self) -> None:
        if self.world.driver.pending:
            self.world.dial_ends(self.random.random() < 0.85)

    def look(self) -> None:
        """The upstream reads a request; a write takes effect now, or is refused before its end."""
        for place in self.world.asked():
            if place not in self.looked:
                request, body = place.request, whole(place.request)
                session = session_of(request)
                if body is None:
                    if self.random.random() < 0.1:
                        place.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                        assert place.wire.ended, "a connection with half a request is used again"
                        self.ways.add(b"answered before the body's end")
                        return
                    continue
                if request.startswith(b"POST"):
                    self.written.arrived(session, body)
                    self.version[session] += 1
                self.looked[place] = (request, session, self.version[session])
                return

    def reply(self) -> None:
        asked = [place for place in self.world.asked() if place in self.looked]
        if asked:
            place = self.random.choice(asked)
            request, session, version = self.looked.pop(place)
            place.wire.written.clear()
            self.tell(place, request, session, version)

    def tell(self, place: Place, request: bytes, session: bytes, version: int) -> None:
        tag = b'"%b-%d"' % (session, version)
        body = b"%b %d" % (session, version)
        kind = self.random.random()
        if kind < 0.12:
            place.say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        elif kind < 0.18:
            place.cut()
        elif b"If-None-Match: " + tag in request:
            place.say(b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\n\r\n" % tag)
        else:
            extra = b"Cache-Control: no-store\r\n" if kind < 0.25 else b"Cache-Control: no-cache\r\n" if kind > 0.85 else b""
            data = b"HTTP/1.1 200 OK\r\nETag: %b\r\n%bContent-Length: %d\r\n\r\n%b" % (tag, extra, len(body), body)
            at = self.random.randrange(1, len(data)) if kind < 0.6 else len(data)
            place.say(data[:at])
            if kind > 0.28:
                place.say(data[at:])
            else:
                place.cut()

    def lose(self) -> None:
        """The upstream, or what is between, drops a connection: idle, or with a request that it may have read."""
        if self.world.places:
            place = self.random.choice(self.world.places)
            if not place.wire.ended:
                self.forget(place)
                place.cut()

    def forget(self, place: Place) -> None:
        """A write that was sent and not looked at yet may still take effect; for how long depends on when it ended for its caller."""
        if place.wire.written and place not in self.looked and is_write(place.request):
            self.lost.append((session_of(place.request), self.world.now + TIMEOUT))
        self.looked.pop(place, None)

    def late(self) -> None:
        """A lost write takes effect."""
        if self.lost:
            session, until = self.lost.pop()
            if self.world.now < until:
                self.version[session] += 1

    def pass_time(self) -> None:
        written = {p: (p.request, p.wire) for p in self.world.places if p.wire.written and p not in self.looked}
        self.world.pass_time(self.random.choice((0.01, 0.1, 1.0, 3.0)))
        self.dropped(written)

    def dropped(self, written: dict[Place, tuple[bytes, Any]]) -> None:
        for request, wire in written.values():
            if wire.ended and is_write(request):
                self.lost.append((session_of(request), self.world.now + TIMEOUT))

    def reload(self) -> None:
        self.world.configure(pool(self.random.choice((2.0, 5.0))))

    def step(self) -> None:
        roll = self.random.random()
        written = {p: (p.request, p.wire) for p in self.world.places if p.wire.written and p not in self.looked}
        if roll < 0.25:
            self.ask()
        elif roll < 0.30:
            self.more()
        elif roll < 0.45:
            self.dial_ends()
        elif roll < 0.63:
            self.look()
        elif roll < 0.83:
            self.reply()
        elif roll < 0.87:
            self.leave()
            self.dropped(written)
        elif roll < 0.90:
            self.lose()
        elif roll < 0.92:
            self.late()
        elif roll < 0.99:
            self.pass_time()
        else:
            self.reload()
        self.steps += 1
        self.check()

    # -- what must hold ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        for asker in list(self.askers):
            for status, head, body in asker.person.answers():
                if status == 100:
                    continue
                assert asker.least >= 0, "an answer that nobody asked for"
                self.heard(asker, status, head, body)
                asker.least = -1
            if asker.person.gone:
                self.askers.remove(asker)
        core = self.world.driver.core
        assert core.in_use + core.idle + core.connecting <= 3
        assert core.connecting == self.world.driver.pending

    def heard(self, asker: Asker, status: int, head: bytes, body: bytes) -> None:
        if status == 200:
            session, _, version = body.partition(b" ")
            assert session == asker.session, "another caller's answer"
            assert int(version) >= asker.least, "older than what the caller knew"
            self.known[session] = max(self.known[session], int(version))
            status_line = head.partition(b"Cache-Status: slipstream; ")[2].partition(b"\r\n")[0]
            if b"Cache-Control: no-cache" in head:
                assert status_line.startswith(b"fwd="), "an answer that the upstream didn't confirm"
                assert b"collapsed" not in status_line, "an answer that was confirmed for somebody else"
                status_line += b"; confirmed" if b"fwd-status=304" in status_line else b""
            self.ways.add(re_numbers(status_line))

    def settle(self) -> None:
        """All that is under way ends; then a good upstream is heard again, whatever was before."""
        for asker in self.askers:
            asker.person.leave()
        self.askers.clear()
        world = self.world
        for _ in range(40):
            while world.driver.pending:
                world.dial_ends(True)
            for place in world.asked():
                place.wire.written.clear()
                place.say(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
            world.pass_time(1.0)
        core, state = world.driver.core, world.state
        assert (core.in_use, core.connecting, core.waiting) == (0, 0, 0), "a slot is lost"
        assert (len(state.tracker), len(state.flights), len(state.refreshes)) == (0, 0, 0)
        assert state.cache.generations.writes == 0, "a write never ends"
        assert all(breaker.under_way == 0 and not breaker._leases for breaker in state.circuits.all()), "a permit is lost"
        self.good()

    def good(self) -> None:
        world = self.world
        for _ in range(12):
            person = world.person()
            person.ask(b"GET /r HTTP/1.1\r\nHost: up\r\nX-Session-Id: s9\r\nCache-Control: no-cache\r\n\r\n")
            while world.driver.pending:
                world.dial_ends(True)
            for place in world.asked():
                place.wire.written.clear()
                place.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            heard = person.answers()
            person.leave()
            if heard and heard[0][0] == 200:
                return
            world.pass_time(1.0)
        raise AssertionError("a good upstream isn't heard: a circuit or a pool is wedged")


def re_numbers(text: bytes) -> bytes:
    return b";".join(part for part in text.split(b";") if b"ttl=" not in part)
