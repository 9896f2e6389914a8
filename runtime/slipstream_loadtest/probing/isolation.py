"""Probes whether sessions are kept apart: after the last phase all of a runner's sessions write their mark and read, at the same time.

Counts what answers hold and what the control's answers hold; never judges. A cancelled probe leaves the counts so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from slipstream_loadtest.measured.part import IsolationPart
from slipstream_loadtest.plan.asked import Isolation
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.shares import numbers
from slipstream_loadtest.plan.template import TemplateError
from slipstream_loadtest.probing.asks import Ask, asks_of, render, values_of
from slipstream_loadtest.probing.client import UNANSWERED, Client
from slipstream_loadtest.probing.leaky import QUESTION, leaky
from slipstream_loadtest.probing.marks import Canaries, Marks, SessionNames

CONTROL_SESSIONS: Final = 8
CONTROL_ROUNDS: Final = 2
EXAMPLES: Final = 5

NameOf = Callable[[int], str]


@dataclass(slots=True)
class Counts:
    """What probes have found so far."""

    planned: int = 0
    answered: int = 0
    crossings: int = 0
    missing: int = 0
    examples: list[str] = field(default_factory=list)


class Probe:
    """One set of sessions against one URL; `control`: through the server that leaks."""

    def __init__(self, plan: Plan, asked: Isolation, run: str, name_of: NameOf, sessions: Sequence[int], rounds: int) -> None:
        self._plan = plan
        self._asks = asks_of(plan, asked)
        self._marks: Marks = Canaries(run) if asked.write is not None else SessionNames(name_of(0).rpartition("-")[0])
        self._name_of = name_of
        self._sessions = sessions
        self._rounds = rounds
        self.counts = Counts(planned=len(sessions) * rounds * sum(ask.probe for ask in self._asks))

    async def run(self, client: Client, *, control: bool = False) -> None:
        """All rounds, one after another; in each, every session makes one call at the same time as all others, then the next."""
        for round_ in range(self._rounds):
            wrote = dict.fromkeys(self._sessions, True)
            for number, ask in enumerate(self._asks):
                question = f"{round_}.{number}" if control else ""
                await asyncio.gather(*(self._one(client, ask, session, round_, wrote, question) for session in self._sessions))

    async def _one(self, client: Client, ask: Ask, session: int, round_: int, wrote: dict[int, bool], question: str) -> None:
        if ask.probe and not wrote[session]:
            return  # what its own answer should hold isn't there: counted with the probes that had no answer
        name, mark = self._name_of(session), self._marks.of(session, round_)
        try:
            asked = render(ask.request, values_of(self._plan, session, name, mark, round_))
            headers = [*asked.headers, *([(QUESTION, question)] if question and ask.probe else [])]
            status, body = await client.call(asked.method, asked.path, headers, asked.body)
        except (*UNANSWERED, TemplateError):
            status, body = 0, b""
        if status not in ask.status:
            wrote[session] = wrote[session] and ask.probe
        elif ask.probe:
            self._look(ask, session, round_, body)

    def _look(self, ask: Ask, session: int, round_: int, body: bytes) -> None:
        seen, counts = self._marks.look(body, session, round_), self.counts
        counts.answered += 1
        if seen.foreign is not None:
            counts.crossings += 1
            if len(counts.examples) < EXAMPLES:
                where = f"{ask.request.method} {ask.request.path}"[:120]
                counts.examples.append(f"{self._name_of(session)} got data of {self._name_of(seen.foreign)} from {where}")
        elif ask.own and not seen.own:
            counts.missing += 1


class IsolationProbe:
    """A runner's share of the check, and its control."""

    def __init__(self, plan: Plan, asked: Isolation, index: int, run: str, name_of: NameOf) -> None:
        self._timeout_ms = plan.timeout_ms
        share = numbers(asked.sessions, index, plan.runners)
        first = asked.sessions + index * CONTROL_SESSIONS  # sessions of its own, whose writes are in nobody's way
        control = range(first, first + CONTROL_SESSIONS)
        self._sessions = len(share)
        self._real = Probe(plan, asked, run, name_of, share, asked.rounds)
        self._control = Probe(plan, asked, run, name_of, control, CONTROL_ROUNDS)

    async def run(self, client: Client) -> None:
        """The control first, so that it isn't what is left out when time runs out."""
        async with leaky(client) as url, Client(url, self._timeout_ms) as leaking:
            await self._control.run(leaking, control=True)
        await self._real.run(client)

    def part(self) -> IsolationPart:
        """What there is; probes that weren't made count as those without an answer."""
        real, control = self._real.counts, self._control.counts
        return IsolationPart(
            sessions=self._sessions,
            probes=real.planned,
            failed=real.planned - real.answered,
            crossings=real.crossings,
            missing=real.missing,
            control_probes=control.answered,
            control_crossings=control.crossings,
            examples=tuple(real.examples),
        )
