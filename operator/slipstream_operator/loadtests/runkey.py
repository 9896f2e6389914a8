"""Which run a LoadTest asks for: a key that is equal as long as nothing that matters to a run has changed. Pure.

At most one run per key: neither a restart of the operator nor a re-sync from Git starts a second one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from slipstream_api.config import canonical

# Changing these doesn't make another measurement: they steer or keep runs.
NOT_PART_OF_A_RUN: Final = frozenset({"suspend", "history", "ttlAfterFinished", "schedule", "rerun"})


def run_key(spec: Mapping[str, Any], tick: str = "") -> str:
    """`spec:<12 hex>/rerun:<string>/tick:<RFC 3339 or empty>` of a LoadTest's spec as the API server holds it."""
    matters = {field: value for field, value in spec.items() if field not in NOT_PART_OF_A_RUN}
    return f"spec:{spec_digest(matters)}/rerun:{spec.get('rerun', '')}/tick:{tick}"


def spec_digest(spec: Mapping[str, Any]) -> str:
    """12 hex digits of a spec, or of a part of one, by which two are told apart in a status."""
    return hashlib.sha256(canonical(spec)).hexdigest()[:12]
