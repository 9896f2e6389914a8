# The scanner in C, as types see it; it may be missing.

from slipstream_runtime.cores.fields import Lines

class Names:
    def __init__(self, codes: dict[bytes, int], /) -> None: ...

def find_head(
    data: bytes, start: int, seen: int, names: Names, max_head: int, max_lines: int, /
) -> tuple[int, bytes, bytes, Lines, int, int] | None: ...
def scan(block: bytes, first: int, names: Names, max_lines: int, /) -> Lines | None: ...
