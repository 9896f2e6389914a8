"""Hishel's state machine as a second opinion on stored answers: which may be used, how one is asked about, what a 304 makes of it, what a
write ends. Keeps what the cache under test stored, and nothing of its own; its clock is the test's."""

from __future__ import annotations

import uuid
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hishel._core import _spec
from hishel._core._headers import Headers
from hishel._core._spec import CacheMiss, CouldNotBeStored, FromCache, IdleClient, InvalidateEntries, NeedRevalidation, NeedToBeUpdated
from hishel._core.models import Entry, Request, Response

EPOCH = 784_111_777  # of the test's second 0
URL = "https://memory/recall"
Fields = list[tuple[str, str]]


def date(now: int) -> str:
    return formatdate(EPOCH + now, usegmt=True)


class SecondCache:
    """By key of the cache under test: the answer that it stored, and what had been asked."""

    def __init__(self) -> None:
        self.held: dict[bytes, Entry] = {}
        self.now = 0

    def clock(self) -> Any:
        """For `with`: it is `now`."""
        return mock.patch.object(_spec, "time", SimpleNamespace(time=lambda: float(EPOCH + self.now)))

    def hold(self, key: bytes, asked: Fields, told: Fields) -> None:
        self.held[key] = Entry(uuid.uuid4(), Request("GET", URL, Headers(dict(asked))), Response(200, Headers(dict(told))))

    def decides(self, asked: Fields, entries: list[Entry], stale: bool = False) -> Any:
        """FromCache, NeedRevalidation or CacheMiss. `stale`: it may serve what is past its time, where the answer doesn't forbid that."""
        options: Any = {"shared": True, "supported_methods": ["GET", "HEAD"], "allow_stale": stale}
        return IdleClient(options).next(Request("GET", URL, Headers(dict(asked))), entries)

    def merges(self, state: NeedRevalidation, told: Fields) -> dict[str, str] | None:
        """The fields of the stored answer after a 304 with `told`; None where that says nothing about it."""
        after = state.next(Response(304, Headers(dict(told))))
        after = after.next_state if isinstance(after, InvalidateEntries) else after
        return lowered(after.updating_entries[0].response.headers) if isinstance(after, NeedToBeUpdated) else None

    def ended_by(self, status: int) -> set[uuid.UUID]:
        """What a POST with that answer ends."""
        options: Any = {"shared": True, "supported_methods": ["GET", "HEAD"], "allow_stale": False}
        after = IdleClient(options).next(Request("POST", URL), list(self.held.values()))
        assert isinstance(after, CacheMiss)
        ends = after.next(Response(status))
        assert isinstance(ends, InvalidateEntries | CouldNotBeStored)
        return set(ends.entry_ids) if isinstance(ends, InvalidateEntries) else set()


def lowered(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def age_told(state: FromCache) -> int:
    return int(state.entry.response.headers["age"])


def asked_about(state: NeedRevalidation) -> dict[str, str]:
    """The conditions."""
    return {name: value for name, value in lowered(state.request.headers).items() if name in {"if-none-match", "if-modified-since"}}
