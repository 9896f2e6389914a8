"""The operator's own metrics, one object for all of them. Counts and observes; decides nothing."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One set per process; tests make their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        p = "slipstream_operator_"
        self.reconcile_seconds = Histogram(
            p + "reconcile_seconds", "Duration of one reconcile", ["queue", "result"], buckets=SECONDS, registry=self.registry
        )
        self.queue_depth = Gauge(p + "queue_depth", "Keys waiting for their turn, timers included", ["queue"], registry=self.registry)
        self.queue_wait_seconds = Histogram(
            p + "queue_wait_seconds", "From an event to the run that sees it", ["queue"], buckets=SECONDS, registry=self.registry
        )
        self.config_push_seconds = Histogram(
            p + "config_push_seconds", "From a change to a pod's acknowledgement of it", ["via"], buckets=SECONDS, registry=self.registry
        )
        self.config_nack = Counter(p + "config_nack_total", "Configurations that a sidecar refused", ["reason"], registry=self.registry)
        self.pods = Gauge(p + "pods", "Pods of known workloads by state of delivery", ["state"], registry=self.registry)
        self.status_writes = Counter(p + "status_writes_total", "Writes of a policy's status", ["result"], registry=self.registry)
        self.ghosts = Counter(p + "ghosts_total", "Objects whose deletion no watch reported", registry=self.registry)
        self.resync_timestamp = Gauge(
            p + "last_resync_timestamp_seconds", "When the caches were last compared with the API server", registry=self.registry
        )
        self.poll_seconds = Histogram(
            p + "sidecar_poll_seconds", "Duration of a question to a sidecar", buckets=SECONDS, registry=self.registry
        )

    def of_queue(self, name: str) -> QueueMetrics:
        return QueueMetrics(self, name)


class QueueMetrics:
    """A queue's view of the metrics (`queue.Observer`)."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._depth = metrics.queue_depth.labels(name)
        self._wait = metrics.queue_wait_seconds.labels(name)
        self._seconds = {result: metrics.reconcile_seconds.labels(name, result) for result in ("ok", "permanent", "failed")}

    def queued(self, depth: int) -> None:
        self._depth.set(depth)

    def started(self, waited: float) -> None:
        self._wait.observe(waited)

    def finished(self, took: float, result: str) -> None:
        self._seconds[result].observe(took)
