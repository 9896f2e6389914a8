"""The resources as pydantic models, the source of the CRDs; declarations only, imported by what reads YAML, never beside a workload."""

from __future__ import annotations

from typing import Final

from slipstream_api.models.cachepolicy import CachePolicySpec
from slipstream_api.models.circuitbreaker import CircuitBreakerSpec
from slipstream_api.models.connectionpool import ConnectionPoolSpec
from slipstream_api.models.fields import Model
from slipstream_api.models.loadtest import LoadTestSpec

SPECS: Final[dict[str, type[Model]]] = {
    "ConnectionPool": ConnectionPoolSpec,
    "CachePolicy": CachePolicySpec,
    "CircuitBreaker": CircuitBreakerSpec,
    "LoadTest": LoadTestSpec,
}

__all__ = ["SPECS", "CachePolicySpec", "CircuitBreakerSpec", "ConnectionPoolSpec", "LoadTestSpec", "Model"]
