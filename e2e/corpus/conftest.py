"""Fixtures of the corpus: the CRDs as they are in this checkout, and a way to many answers of the API server. Needs no operator."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import kubectl
from slipstream_api.schema import GROUP, KINDS

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def resources(cluster: str) -> str:
    """The kinds are served; the API group."""
    names = [f"crd/{plural}.{GROUP}" for plural, _, _ in KINDS.values()]
    kubectl.run("apply", *(argument for plural, _, _ in KINDS.values() for argument in ("-f", str(CRDS / f"{plural}.yaml"))))
    kubectl.run("wait", "--for=condition=Established", *names, "--timeout=30s")
    return GROUP


@pytest.fixture(scope="session")
def proxy(resources: str) -> Iterator[str]:
    """The API server's base URL, through `kubectl proxy` on a port of this machine."""
    process = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield f"http://{found.group()}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
