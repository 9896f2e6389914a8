"""AdmissionReview v1 in, AdmissionReview v1 out. Pure. Whatever happens the pod is allowed: an injector that denies is an outage."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipstream_operator.injector.inject import Injection

API_VERSION: Final = "admission.k8s.io/v1"
WARNING_LENGTH: Final = 256  # the API server cuts longer ones where many come together
WARNINGS: Final = 16


class BadReview(ValueError):  # noqa: N818 - what it is: not a review
    """The body isn't an AdmissionReview that could be answered: there is no uid to answer to."""


@dataclass(frozen=True, slots=True)
class Request:
    """What of a review matters. `pod` is empty where the request isn't the creation of a pod."""

    uid: str
    namespace: str
    pod: dict[str, Any]


def read(body: bytes) -> Request:
    """Raises BadReview."""
    try:
        review = json.loads(body)
        request = review["request"]
        uid = request["uid"]
        if not isinstance(uid, str) or not uid:
            raise BadReview("request.uid is empty")
        if review.get("apiVersion") != API_VERSION:
            raise BadReview(f"apiVersion is {review.get('apiVersion')!r}, not {API_VERSION}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadReview(f"not an AdmissionReview of {API_VERSION}: {error!r}") from error
    pod = request.get("object")
    creates_pod = request.get("operation") == "CREATE" and (request.get("resource") or {}).get("resource") == "pods"
    concerns = creates_pod and not request.get("subResource") and isinstance(pod, dict)
    return Request(uid, str(request.get("namespace") or ""), pod if concerns else {})


def answer(request: Request, injection: Injection) -> bytes:
    """Allowed, with the patch where there is one."""
    return _response(request.uid, injection.warnings, injection.ops)


def allowed(uid: str, warning: str) -> bytes:
    """Allowed as it is, because something went wrong here."""
    return _response(uid, (warning,), ())


def _response(uid: str, warnings: Sequence[str], ops: Sequence[dict[str, Any]]) -> bytes:
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    if warnings:
        response["warnings"] = [f"slipstream: {text}"[:WARNING_LENGTH] for text in warnings[:WARNINGS]]
    if ops:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(list(ops), separators=(",", ":")).encode()).decode()
    return json.dumps({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}, separators=(",", ":")).encode()
