"""Rules of ConnectionPools. Pure."""

from __future__ import annotations

from typing import Final

from slipstream_api.cel import duration, quantity
from slipstream_api.rules.rule import Rule, count, more_than_zero

KIND: Final = "ConnectionPool"


def _size(field: str, least: str, most: str) -> Rule:
    return Rule(
        (KIND,),
        f"spec.limits.{field}",
        f"quantity(string(self)).compareTo(quantity('{least}')) >= 0 && quantity(string(self)).compareTo(quantity('{most}')) <= 0",
        f"must be at least {least} and at most {most}",
        lambda v: quantity(least) <= quantity(v) <= quantity(most),
    )


POOL_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        (KIND,),
        "spec.limits",
        "self.minConnections <= self.maxConnections",
        "minConnections must be at most maxConnections",
        lambda v: v["minConnections"] <= v["maxConnections"],
    ),
    Rule(
        (KIND,),
        "spec.limits",
        "duration(self.connectTimeout) <= duration(self.requestTimeout)",
        "connectTimeout must be at most requestTimeout",
        lambda v: duration(v["connectTimeout"]) <= duration(v["requestTimeout"]),
    ),
    *(
        more_than_zero(KIND, f"spec.limits.{field}")
        for field in ("acquireTimeout", "connectTimeout", "requestTimeout", "idleTimeout", "maxLifetime")
    ),
    _size("maxHeaderBytes", "1Ki", "1Mi"),
    _size("maxUrlBytes", "1Ki", "64Ki"),
    _size("maxBodyBytes", "1", "1Ti"),
    Rule(
        (KIND,),
        "spec.limits",
        "quantity(string(self.maxUrlBytes)).compareTo(quantity(string(self.maxHeaderBytes))) <= 0",
        "maxUrlBytes must be at most maxHeaderBytes",
        lambda v: quantity(v["maxUrlBytes"]) <= quantity(v["maxHeaderBytes"]),
    ),
    Rule(
        (KIND,),
        "spec.upstream.tls",
        "has(self.certificate) == has(self.key)",
        "certificate and key must be set together",
        lambda v: ("certificate" in v) == ("key" in v),
    ),
    Rule(
        (KIND,),
        "spec.upstream.tls",
        "self.mode == 'Simple' || (!has(self.ca) && !has(self.certificate))",
        "ca and certificate must be set with mode Simple only",
        lambda v: v["mode"] == "Simple" or count(v, "ca", "certificate") == 0,
    ),
    Rule(
        (KIND,),
        "spec.healthCheck",
        "duration(self.timeout) > duration('0s') && duration(self.timeout) <= duration(self.interval)",
        "timeout must be more than 0 and at most interval",
        lambda v: 0 < duration(v["timeout"]) <= duration(v["interval"]),
    ),
    Rule(
        (KIND,),
        "spec",
        "!self.listen.passthroughPorts.exists(p, p == self.upstream.port)",
        "listen.passthroughPorts must not name the upstream's own port",
        lambda v: v["upstream"]["port"] not in v["listen"]["passthroughPorts"],
    ),
)
