"""What an API server refuses becomes one of our errors, which says whether another try makes sense; nothing else gets through."""

from __future__ import annotations

import json

import pytest

from slipstream_operator.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, OperatorError, Permanent, Temporary
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, NAMESPACE
from slipstream_operator.kube.mapping import error_of


def refusal(status: int, reason: str = "", message: str = "said so", retry_after: str | None = None) -> OperatorError:
    return error_of(status, "PATCH", "/x", json.dumps({"reason": reason, "message": message}).encode(), retry_after)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (409, "", Conflict),
        (403, "Forbidden", Forbidden),
        (401, "Unauthorized", Temporary),
        (422, "Invalid", Invalid),
        (400, "BadRequest", Invalid),
        (413, "RequestEntityTooLarge", Invalid),
        (429, "TooManyRequests", Temporary),
        (410, "Expired", Temporary),
        (500, "InternalError", Temporary),
        (503, "ServiceUnavailable", Temporary),
        (302, "", Permanent),
    ],
)
def test_each_refusal_is_one_error(status: int, reason: str, kind: type[OperatorError]) -> None:
    """By code, and where one code means two things by reason; the server's own words are kept."""
    error = refusal(status, reason)
    assert type(error) is kind
    assert "said so" in str(error)
    assert "PATCH /x" in str(error)


def test_whether_another_try_makes_sense_is_in_the_type() -> None:
    """The queue asks nothing else."""
    assert issubclass(Conflict, Temporary)
    assert issubclass(Forbidden, Temporary)
    for kind in (NotFound, Invalid, AlreadyExists):
        assert issubclass(kind, Permanent)


@pytest.mark.parametrize(("header", "delay"), [("7", 7.0), ("100000", 60.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_the_server_says_when_to_come_back(header: str | None, delay: float | None) -> None:
    """Within reason."""
    error = refusal(429, retry_after=header)
    assert isinstance(error, Temporary)
    assert error.delay == delay


@pytest.mark.parametrize("body", [b"", b"<html>gateway</html>", b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_status_is_an_error_all_the_same(body: bytes) -> None:
    """A proxy in between."""
    assert isinstance(error_of(502, "GET", "/x", body), Temporary)


def test_a_missing_verb_points_to_the_role() -> None:
    """The message says what to change."""
    assert "role" in str(refusal(403))


def test_paths_of_kinds() -> None:
    """Core and other groups, with and without a namespace, subresources; names can't break out."""
    assert CONFIG_MAP.path("ns", "a") == "/api/v1/namespaces/ns/configmaps/a"
    assert CONFIG_MAP.path(None) == "/api/v1/configmaps"
    assert CONNECTION_POOL.path("ns", "a", "status") == "/apis/slipstream.dev/v1alpha1/namespaces/ns/connectionpools/a/status"
    assert NAMESPACE.path("ignored", "kube-system") == "/api/v1/namespaces/kube-system"
    assert CONFIG_MAP.path("ns", "../../x") == "/api/v1/namespaces/ns/configmaps/..%2F..%2Fx"
