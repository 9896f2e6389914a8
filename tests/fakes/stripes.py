"""Names whose scopes differ: paths and partitions are hashed over a thousand stripes, anew in each process. Holds no expectations."""

from __future__ import annotations

from itertools import count

from slipstream_runtime.cores.generations import partition_scope, path_scope
from slipstream_runtime.http.fields import parse_field
from tests.fakes.proxied import Proxied


def apart(template: str, *others: str) -> str:
    """The template with a number such that the path shares its stripe with none of the others."""
    taken = {path_scope(other) for other in others}
    return next(path for path in map(template.format, count()) if path_scope(path) not in taken)


def strangers(proxy: Proxied, *lines: str) -> tuple[str, str]:
    """Two values of `{}` in callers' lines such that no two partitions that come of any of the lines share a stripe."""
    readers = [plan.reader for plan in proxy.service.router.plans]
    for number in count():
        names = ("ann", f"bob{number}")
        found = set()
        for name in names:
            for some in (lines[:1], lines):
                fields = [parse_field(line.format(name).encode()) for line in some]
                found |= {reader.read(b"GET", b"/", fields).partition for reader in readers if not reader.interest.shared}
        if len({partition_scope(partition) for partition in found}) == len(found):
            return names
    raise AssertionError("there are numbers without end")
