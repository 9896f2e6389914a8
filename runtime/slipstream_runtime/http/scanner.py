"""Which scanner of header lines is in force: the one in C where it was built, else lines are read in Python. Reads no line itself.

`SLIPSTREAM_SCANNER=python` keeps the one in C out, for comparing them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from slipstream_runtime.cores.fields import Lines

# scan(block, first, names, max_lines): the lines of block[first:], None where they need the scanner in Python (an error, too).
Scan = Callable[[bytes, int, Any, int], Lines | None]
# find_head(data, start, seen, names, max_head, max_lines): where the head at `start` ends, its start line, its block, its lines and these'
# `present` and `body`; None where head_end and the scanner in Python have to look. In one call, since that costs as much as the search.
FindHead = Callable[[bytes, int, int, Any, int, int], tuple[int, bytes, bytes, Lines, int, int] | None]


def _built() -> tuple[Scan | None, FindHead | None, Any]:
    if os.environ.get("SLIPSTREAM_SCANNER") == "python":
        return None, None, None
    try:
        from slipstream_runtime.http import _lines
    except ImportError:
        return None, None, None
    return _lines.scan, _lines.find_head, _lines.Names


SCAN, FIND_HEAD, NAMES_TABLE = _built()
SCANNER: Final = "python" if SCAN is None else "c"
