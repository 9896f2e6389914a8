"""ConnectionPool: one upstream, how many connections to it, and which workloads reach it through a sidecar. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import SET, Duration, HostName, Model, Name, Path, Port, Size

FileName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


class Tls(Model):
    """TLS towards the upstream."""

    mode: Literal["Disabled", "Simple"] = Field(
        default="Disabled", description="Simple verifies the upstream's certificate, against the system's authorities if ca isn't set."
    )
    ca: FileName | None = Field(
        default=None,
        description="Authorities in PEM, and the only ones that are trusted: a key of the Secret slipstream-tls-<workload>, or a file in "
        "the folder of `slipstream run --tls-dir`.",
    )
    certificate: FileName | None = Field(
        default=None, description="Certificate in PEM that is shown to the upstream, with those between it and its authority; as ca."
    )
    key: FileName | None = Field(default=None, description="Its private key in PEM, not encrypted; as ca.")
    server_name: HostName | None = Field(default=None, description="Name that the certificate must have; the upstream's host if not set.")


class Upstream(Model):
    """The one service of the pool."""

    protocol: Literal["HTTP", "MCP", "PostgreSQL"] = Field(description="What the upstream speaks.")
    host: HostName = Field(description="Its host name: a Service of the namespace, or any DNS name.")
    port: Port = Field(description="Its port.")
    tls: Tls = Field(default=Tls(), description="TLS towards the upstream.")


class Listen(Model):
    """How a workload reaches the upstream through its sidecar."""

    intercept: Literal["Environment", "HostAlias"] = Field(
        default="Environment",
        description="Environment: the workload reads SLIPSTREAM_<POOL>_URL. HostAlias: the host's name leads to the sidecar, unchanged.",
    )
    port: Port | None = Field(default=None, description="Port on 127.0.0.1 for `slipstream run`; chosen if not set.")
    passthrough_ports: Annotated[tuple[Port, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="Further ports of an aliased host that are forwarded as they are."
    )


class Limits(Model):
    """Bounds of the pool in each pod."""

    max_connections: Annotated[int, Field(ge=1, le=10_000)] = Field(default=100, description="Most connections open at once.")
    min_connections: Annotated[int, Field(ge=0, le=10_000)] = Field(default=0, description="Connections kept open when idle.")
    max_pending: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=1024, description="Most requests that wait for a connection; further ones are answered 503 at once."
    )
    acquire_timeout: Duration = Field(default="10s", description="Longest wait for a connection.")
    connect_timeout: Duration = Field(default="2s", description="Longest time to open a connection.")
    request_timeout: Duration = Field(default="30s", description="Longest time from a request to the head of its answer, waits included.")
    idle_timeout: Duration = Field(default="60s", description="A connection that was idle so long is closed, down to minConnections.")
    max_lifetime: Duration = Field(default="10m", description="A connection of that age is not used again.")
    reuse: Literal["LIFO", "FIFO"] = Field(
        default="LIFO", description="LIFO reuses the connection used last, so that surplus ones age out; FIFO keeps all warm."
    )
    max_header_bytes: Size = Field(
        default="64Ki", description="Longest head of a request, its first line included, 1Ki to 1Mi; a longer one is answered 431."
    )
    max_headers: Annotated[int, Field(ge=16, le=1024)] = Field(default=128, description="Most header lines; more are answered 431.")
    max_url_bytes: Size = Field(
        default="16Ki", description="Longest path and query of a request, 1Ki to 64Ki; a longer one is answered 414."
    )
    max_body_bytes: Size | None = Field(
        default=None, description="Longest body of a request; a longer one is answered 413. Any if not set."
    )


class HttpCheck(Model):
    """A check by an HTTP request."""

    path: Path = Field(default="/", description="Path of a GET that a healthy upstream answers with 2xx or 3xx.")


class HealthCheck(Model):
    """A check in the background; never part of the sidecar's own readiness."""

    interval: Duration = Field(default="20s", description="Time between two checks.")
    timeout: Duration = Field(default="1s", description="Longest time of one check.")
    http: HttpCheck | None = Field(default=None, description="An HTTP check; without it, opening a connection is the check.")
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(default=3, description="Failures in a row that make it unhealthy.")
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(default=2, description="Successes in a row that make it healthy again.")


class ConnectionPoolSpec(Model):
    """One upstream, how many connections to it, and who reaches it."""

    workloads: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)] = Field(
        description="Workloads whose sidecars carry this upstream: values of the pod label slipstream.dev/workload."
    )
    upstream: Upstream = Field(description="The one service of the pool.")
    listen: Listen = Field(default=Listen(), description="How a workload reaches the upstream through its sidecar.")
    limits: Limits = Field(default=Limits(), description="Bounds of the pool in each pod.")
    health_check: HealthCheck | None = Field(default=None, description="A check of the upstream in the background.")
