"""The lines between the local command and its runner processes. Pure text."""

from __future__ import annotations

from typing import Final

READY_LINE: Final = "SLIPSTREAM-READY"
PROGRESS_MARK: Final = "SLIPSTREAM-PROGRESS "
LIVE_MARK: Final = "SLIPSTREAM-LIVE "  # before an encoded snapshot, all in one line: a pipe cuts none
START_WORD: Final = "START"
ABORT_WORD: Final = "ABORT"


def start_line(at: float) -> bytes:
    """The common start, unix seconds."""
    return f"{START_WORD} {at!r}\n".encode()


def abort_line(reason: str) -> bytes:
    return f"{ABORT_WORD} {reason}\n".encode()
