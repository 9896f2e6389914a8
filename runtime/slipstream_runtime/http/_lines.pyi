"""The scanner in C, as types see it; it may be missing."""

from slipstream_runtime.cores import fields

class Names:
    def __new__(cls, codes: dict[bytes, int], /) -> Names: ...

class Lines(fields.Lines):
    def __len__(self) -> int: ...

def scan(block: bytes, first: int, names: Names, max_lines: int, /) -> Lines | None: ...
