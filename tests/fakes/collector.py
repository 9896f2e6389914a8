"""A collector of traces on a real port, in a thread of its own: decodes what OTLP over HTTP brings, by OpenTelemetry's own protobuf."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

SERVER, CLIENT = 2, 3


class Collected:
    """One span."""

    def __init__(self, span: Any, resource: dict[str, Any]) -> None:
        self.name: str = span.name
        self.kind: int = span.kind  # SERVER or CLIENT
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.began: int = span.start_time_unix_nano
        self.seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        self.failed: bool = span.status.code == 2
        self.attributes = values(span.attributes)
        self.resource = resource


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


class Collector:
    """`with Collector() as collector`. `silent`: it takes connections and never answers."""

    def __init__(self, silent: bool = False) -> None:
        self.spans: list[Collected] = []
        self.paths: list[str] = []
        self._over = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if silent:
                    collector._over.wait()
                    return
                collector._take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                body = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Tests have their own words."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def requests(self) -> list[Collected]:
        """Spans of whole requests, as they ended."""
        return [span for span in self.spans if span.kind == SERVER]

    @property
    def attempts(self) -> list[Collected]:
        """Those of what was asked of an upstream."""
        return [span for span in self.spans if span.kind == CLIENT]

    def _take(self, path: str, body: bytes) -> None:
        self.paths.append(path)
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = values(part.resource.attributes)
            self.spans += [Collected(span, resource) for scope in part.scope_spans for span in scope.spans]
