"""Reviews: read, answered, never denied."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_operator.injector import review
from slipstream_operator.injector.inject import Injection
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolFacts, PoolIndex
from slipstream_operator.injector.server import Reviewer
from tests.fakes.pods import SETTINGS, a_pod


def a_review(pod: Any, **more: Any) -> bytes:
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {"uid": "u-1", "namespace": "agents", "operation": "CREATE", "resource": resource, "object": pod, **more}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


class Asked:
    """Pools that remember for which namespace and workload they were asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def of(self, namespace: str, workload: str) -> Sequence[PoolFacts]:
        self.calls.append((namespace, workload))
        return []


class Broken:
    def of(self, namespace: str, workload: str) -> Sequence[PoolFacts]:
        raise RuntimeError("the index is gone")


def reviewer(pools: Any = None) -> tuple[Reviewer, Metrics]:
    metrics = Metrics()
    return Reviewer(pools or PoolIndex(), lambda: SETTINGS, metrics, ManualClock()), metrics


def answered(body: bytes, pools: Any = None) -> dict[str, Any]:
    answer = json.loads(reviewer(pools)[0].answer(body))
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = answer["response"]
    return response


def test_an_injection_is_answered_as_a_json_patch() -> None:
    """With the uid of the request."""
    response = answered(a_review(a_pod()))
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u-1", True, "JSONPatch")
    assert all(op["op"] == "add" for op in json.loads(base64.b64decode(response["patch"])))


def test_no_injection_is_answered_without_a_patch() -> None:
    """An empty patch would be one more thing to go wrong."""
    response = answered(a_review(a_pod(None)))
    assert response == {"uid": "u-1", "allowed": True}


def test_the_namespace_is_the_requests() -> None:
    """A pod made by a controller has none of its own."""
    asked = Asked()
    answered(a_review(a_pod("search")), asked)
    assert asked.calls == [("agents", "search")]


@pytest.mark.parametrize(
    "more",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None},
        {"resource": {"group": "apps", "version": "v1", "resource": "deployments"}},
        {"subResource": "ephemeralcontainers"},
        {"object": None},
        {"object": "pod"},
    ],
)
def test_what_is_not_the_creation_of_a_pod_passes(more: dict[str, Any]) -> None:
    """A webhook that somebody configured too widely must harm nothing."""
    assert answered(a_review(a_pod(), **more)) == {"uid": "u-1", "allowed": True}


def test_an_error_inside_allows_the_pod_with_a_warning() -> None:
    """And is counted."""
    under_test, metrics = reviewer(Broken())
    response = json.loads(under_test.answer(a_review(a_pod())))["response"]
    assert response["allowed"] is True
    assert "patch" not in response
    assert "RuntimeError" in response["warnings"][0]
    assert metrics.registry.get_sample_value("slipstream_injector_reviews_total", {"outcome": "Error"}) == 1


@pytest.mark.parametrize("labels", [[], "x", {"slipstream.dev/workload": 1}, {"slipstream.dev/workload": ["a"]}])
def test_a_pod_of_an_odd_shape_is_allowed(labels: Any) -> None:
    """The API server wouldn't send it; nobody else may take the injector down."""
    pod = a_pod()
    pod["metadata"]["labels"] = labels
    assert answered(a_review(pod))["allowed"] is True


def test_reviews_are_counted_by_outcome() -> None:
    """Injected and left alone."""
    under_test, metrics = reviewer()
    for pod in (a_pod(), a_pod(hostNetwork=True)):
        under_test.answer(a_review(pod))
    for outcome in ("Injected", "HostNetwork"):
        assert metrics.registry.get_sample_value("slipstream_injector_reviews_total", {"outcome": outcome}) == 1
    assert metrics.registry.get_sample_value("slipstream_injector_review_seconds_count") == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"apiVersion": "admission.k8s.io/v1", "request": {"uid": ""}}',
        a_review({}).replace(b"k8s.io/v1", b"k8s.io/v9"),
    ],
)
def test_what_is_no_review_is_refused(body: bytes) -> None:
    """There is no uid to answer to, or no version that is understood."""
    with pytest.raises(review.BadReview):
        review.read(body)


def test_warnings_are_few_and_short() -> None:
    """The API server cuts the rest anyway."""
    request = review.read(a_review(a_pod()))
    warnings = json.loads(review.answer(request, Injection("Injected", (), tuple("x" * 1000 for _ in range(50)))))["response"]["warnings"]
    assert len(warnings) == review.WARNINGS
    assert max(map(len, warnings)) == review.WARNING_LENGTH
