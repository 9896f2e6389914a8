"""What a LoadTest measures, and over which connections. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import Duration, HostName, Model, Name

Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class PoolRef(Model):
    """A pool of the test's namespace."""

    name: Name = Field(description="Name of the ConnectionPool.")


class ConfigMapKey(Model):
    """A key of a ConfigMap of the test's namespace."""

    name: Name = Field(description="Name of the ConfigMap.")
    key: Key = Field(description="Key within its data.")


class TargetTls(Model):
    """How an https URL is verified."""

    verify: Literal["Full", "None"] = Field(default="Full", description="None accepts any certificate: for test targets only.")
    server_name: HostName | None = Field(default=None, description="Name that is asked for and verified; the URL's host if not set.")
    ca_config_map: ConfigMapKey | None = Field(default=None, description="Certificates (PEM) that are trusted in place of the system's.")


class Target(Model):
    """What is measured: an upstream through the layers of a pool, or a URL."""

    pool_ref: PoolRef | None = Field(default=None, description="Measures this pool's upstream through its layers.")
    workload: Name | None = Field(default=None, description="With poolRef: as which workload; the pool's first if not set.")
    url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^/?#@\s]+$")] | None = Field(
        default=None, description="Measures this address, like http://host:8080; link-local and metadata addresses are refused."
    )
    tls: TargetTls | None = Field(default=None, description="With an https url: how it is verified.")


class Connections(Model):
    """How users reach the target."""

    reuse: bool = Field(default=True, description="false: a new connection for every call.")
    sharing: Literal["PerUser", "Shared"] = Field(
        default="PerUser", description="PerUser: each user has its own connection. Shared: users take one of `max`, and wait for it."
    )
    max: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="With Shared: connections of all runners together."
    )
    timeout: Duration = Field(default="10s", description="Of one call, from its start to the last byte.")
