"""The fake API server obeys the laws that the real one obeys; e2e/ runs the same suite on a cluster."""

from __future__ import annotations

import pytest

from tests.contract.kube_conformance import KubeConformance
from tests.fakes.fake_kube import FakeKube


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def namespace() -> str:
    return "conformance"


@pytest.fixture
def pools() -> bool:
    return True


class TestFakeKube(KubeConformance):
    """The fake."""
