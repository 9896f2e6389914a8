"""The injector's metrics, one object for all of them. Counts and observes; decides nothing."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """One set per process; tests make their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        p = "slipstream_injector_"
        self.reviews = Counter(
            p + "reviews_total", "Pods reviewed, by outcome: Injected, why not, or Error", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(p + "review_seconds", "Duration of one review", buckets=SECONDS, registry=self.registry)
        self.pools = Gauge(p + "pools", "ConnectionPools known", registry=self.registry)
        self.synced = Gauge(p + "last_sync_timestamp_seconds", "When all pools were last listed", registry=self.registry)
        self.expiry = Gauge(
            p + "certificate_expiry_timestamp_seconds", "When the serving certificate expires; 0 without one", registry=self.registry
        )
