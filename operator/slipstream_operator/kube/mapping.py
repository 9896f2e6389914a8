"""From an API server's refusal to one of our errors: the one place that knows HTTP codes and Status reasons. Pure."""

from __future__ import annotations

import json
from typing import Final

from slipstream_operator.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, OperatorError, Permanent, Temporary

FORBIDDEN_DELAY: Final = 30.0  # roles are repaired by people
RETRYABLE: Final = frozenset({408, 410, 429, 500, 502, 503, 504})


def error_of(status: int, method: str, path: str, body: bytes, retry_after: str | None = None) -> OperatorError:
    """The error that says what happened to `method path` and whether another try makes sense."""
    reason, message = _status(body)
    text = f"{method} {path}: {status} {message or reason or 'without a reason'}"
    match status:
        case 404:
            return NotFound(text)
        case 409:
            return AlreadyExists(text) if reason == "AlreadyExists" else Conflict(text)
        case 401:
            # The token is read anew within a minute; kopf's own login does it at once.
            return Temporary(f"{text}; the credentials are refused, is the service account's token mounted?", delay=5.0)
        case 403:
            return Forbidden(f"{text}; compare the operator's role with manifests/", delay=FORBIDDEN_DELAY)
        case 400 | 405 | 406 | 413 | 415 | 422:
            return Invalid(text)
        case _ if status in RETRYABLE:
            return Temporary(text, delay=_seconds(retry_after))
        case _:
            return Permanent(text)


def _status(body: bytes) -> tuple[str, str]:
    """Reason and message of a Status object; empty where the body is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return "", body[:200].decode("utf-8", "replace")
    if not isinstance(document, dict):
        return "", ""
    return str(document.get("reason") or ""), str(document.get("message") or "")


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header; dates, which the API server never sends, count as none."""
    try:
        return min(float(retry_after), 60.0) if retry_after else None
    except ValueError:
        return None
