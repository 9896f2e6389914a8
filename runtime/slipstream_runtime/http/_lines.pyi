"""The scanner in C, as types see it; it may be missing."""

from slipstream_runtime.cores.fields import Lines

class Names:
    def __new__(cls, codes: dict[bytes, int], /) -> Names: ...

def scan(block: bytes, first: int, names: Names, max_lines: int, /) -> Lines | None: ...
