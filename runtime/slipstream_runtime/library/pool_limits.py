"""The options of a Pool, checked, as limits of cores.pool. Pure; seconds in, milliseconds out."""

from __future__ import annotations

import math

from slipstream_api import config


def limits(min_size: int, max_size: int, timeout: float, max_waiting: int, max_lifetime: float, max_idle: float) -> config.Limits:
    """Raises ValueError that names the option."""
    if max_size < 1 or not 0 <= min_size <= max_size:
        raise ValueError(f"min_size={min_size!r}, max_size={max_size!r}: 0 <= min_size <= max_size and 1 <= max_size is due")
    if max_waiting < 0:
        raise ValueError(f"max_waiting={max_waiting!r}: 0 (nobody waits) or more is due")
    if timeout <= 0:
        raise ValueError(f"timeout={timeout!r}: a positive number of seconds is due")
    return config.Limits(
        min_connections=min_size,
        max_connections=max_size,
        max_pending=max_waiting,
        acquire_timeout_ms=_ms("timeout", timeout),
        max_lifetime_ms=_ms("max_lifetime", max_lifetime),
        idle_timeout_ms=_ms("max_idle", max_idle),
    )


def _ms(name: str, seconds: float) -> int:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name}={seconds!r}: a number of seconds is due; 0 for no limit")
    return math.ceil(seconds * 1_000)  # up: 0 means that there is none
