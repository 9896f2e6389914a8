"""Why the pods of a run's Job can't be made: the Job's controller says it in events, and nowhere else. Decides nothing."""

from __future__ import annotations

import logging
from typing import Any

from slipstream_operator.errors import Forbidden
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import EVENT

log = logging.getLogger(__name__)


async def refused(kube: Kube, job: Object) -> str:
    """The controller's latest words, empty where it said none. A role without events leaves a run that waits, and says less."""
    meta = job["metadata"]
    try:
        events = await kube.list(EVENT, meta["namespace"], fields=f"involvedObject.uid={meta['uid']},reason=FailedCreate")
    except Forbidden as error:
        log.warning("%s/%s: %s", meta["namespace"], meta["name"], error)
        return ""
    return " ".join(str(max(events, key=_when).get("message") or "").split()) if events else ""


def _when(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
