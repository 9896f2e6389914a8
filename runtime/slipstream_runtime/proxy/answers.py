"""Answers that Slipstream gives itself: refusals, failures, static fallbacks, stored entries. Pure rendering, no policy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from slipstream_api.config import Fallback
from slipstream_runtime.cores.cache_status import unasked
from slipstream_runtime.http.forward import CONNECTION_CLOSE, END
from slipstream_runtime.proxy.failures import Failure

JSON: Final = b"application/json"


def reason_phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def simple_answer(status: int, content_type: bytes, body: bytes, extra: bytes, bodiless: bool) -> bytes:
    """A whole answer; `extra` are header lines, each with a leading CRLF. A bodiless one (to HEAD) keeps the length it describes."""
    head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d" % (status, reason_phrase(status), content_type, len(body))
    return head + extra + END + (b"" if bodiless else body)


def explanation(reason: str, message: str) -> bytes:
    return msgspec.json.encode({"reason": reason, "message": message})


def malformed_answer(status: int, message: str, date: bytes) -> bytes:
    """To a request that can't be trusted; the connection ends with it."""
    said = b"\r\nX-Slipstream-Reason: BadRequest\r\nProxy-Status: slipstream; error=http_request_error"
    extra = date + said + unasked("BadRequest") + CONNECTION_CLOSE
    return simple_answer(status, JSON, explanation("BadRequest", message), extra, False)


def unserved_answer(failure: Failure, date: bytes, connection: bytes, bodiless: bool) -> bytes:
    """To a connection or a request that no pool is concerned with, for what `failure` says."""
    return failure_answer(failure, None, 0, date + unasked(failure.reason) + connection, bodiless)


def diverted(failure: Failure, pool: str) -> bytes:
    """Lines of an answer that another upstream gave, and why it was asked."""
    return b'\r\nX-Slipstream-Fallback: Upstream\r\nProxy-Status: slipstream; error=%b; next-hop=%b; details="%b"' % (
        failure.error.encode(),
        pool.encode(),
        failure.reason.encode(),
    )


def failure_answer(failure: Failure, step: Fallback | None, wait: int, extra: bytes, bodiless: bool) -> bytes:
    """What the caller gets when there is no answer: the step's static text, or what happened. `wait`: seconds for Retry-After."""
    lines = b"\r\nX-Slipstream-Reason: %b\r\nProxy-Status: slipstream; error=%b" % (failure.reason.encode(), failure.error.encode())
    if wait:
        lines += b"\r\nRetry-After: %d" % wait
    elif failure.status == 503:
        lines += b"\r\nRetry-After: 1"
    if step is None or step.type != "Static":
        return simple_answer(failure.status, JSON, explanation(failure.reason, failure.message), lines + extra, bodiless)
    lines += b"\r\nX-Slipstream-Fallback: Static" + extra
    return simple_answer(step.status, step.content_type.encode("latin-1"), step.body.encode(), lines, bodiless)
