"""How many file descriptors this process may have, and what part of them connections to upstreams. Opens none."""

from __future__ import annotations

import resource
from typing import Final

MOST: Final = 10_000  # connections to upstreams, where nothing else is said: more than pools usually sum up to


def raise_descriptors() -> int:
    """As many as the hard limit allows, without asking; how many that are. Container runtimes start processes with as few as 1,024, for the
    sake of programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # some kernels have another maximum besides
        return soft
    return hard


def default_connections(descriptors: int) -> int:
    """Half of them at most: each of the others may be a caller's connection."""
    return MOST if descriptors == resource.RLIM_INFINITY else max(1, min(MOST, descriptors // 2))
