"""What to do with a stored answer for one request: RFC 9111 §4, RFC 5861 §3. Pure; serves nothing, asks nobody."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.key import UNBOUNDED, CacheRequest
from slipstream_runtime.cores.store import Entry

SERVE: Final = 0  # it is fresh, and all that the request wants
REFRESH: Final = 1  # serve it though its time is over, and fetch a new one meanwhile
STALE: Final = 2  # serve it though its time is over: the request said so (max-stale)
VALIDATE: Final = 3  # ask the upstream whether it is still right
FETCH: Final = 4  # it is of no use


def reuse(entry: Entry, request: CacheRequest, now: float) -> int:
    """Of an entry that is retained (Store.get_stale)."""
    if not request.refresh:
        late, bounds = now - entry.expires, request.bounds
        if late < 0:
            if bounds is UNBOUNDED or entry.satisfies(bounds.max_age, bounds.min_fresh, now):
                return SERVE
        elif not bounds.min_fresh and (bounds.max_age < 0 or entry.age_at(now) <= bounds.max_age):
            if late < entry.grace.revalidate:
                return REFRESH
            if late <= bounds.max_stale and not entry.grace.strict:
                return STALE
    return VALIDATE if entry.grace.keep else FETCH
