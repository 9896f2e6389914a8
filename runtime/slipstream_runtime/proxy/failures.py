"""Why a request has no answer from its upstream: one table of causes with status, RFC 9209 error and what it means to a breaker. Pure."""

from __future__ import annotations

from typing import Final, Literal

from slipstream_runtime.cores.fallback import Cause

# What a breaker is told: an error of the transport by its class in `failureOn.errors`, or nothing, since our own overload,
# our caller's disconnect and our refusal say nothing about the upstream.
ErrorClass = Literal["Connect", "Timeout", "Reset", ""]


class Failure:
    """One cause. `error` is a Proxy-Status error type of RFC 9209 §2.3, `cause` what a fallback chain knows it as, `elsewhere` whether
    another upstream might do better."""

    __slots__ = ("cause", "elsewhere", "error", "error_class", "message", "reason", "status")

    def __init__(
        self, reason: str, status: int, error: str, cause: Cause, error_class: ErrorClass, message: str, elsewhere: bool = True
    ) -> None:
        self.reason = reason
        self.status = status
        self.error = error
        self.cause: Cause = cause
        self.error_class: ErrorClass = error_class
        self.message = message
        self.elsewhere = elsewhere

    def __repr__(self) -> str:
        return f"Failure({self.reason})"


DNS_ERROR: Final = Failure("NameNotResolved", 502, "dns_error", "Connect", "Connect", "the upstream's name has no address")
CONNECT_REFUSED: Final = Failure(
    "ConnectionRefused", 502, "connection_refused", "Connect", "Connect", "the upstream refused the connection"
)
CONNECT_TIMEOUT: Final = Failure("ConnectTimeout", 504, "connection_timeout", "Connect", "Connect", "no connection within connectTimeout")
TLS_ERROR: Final = Failure("TLSFailed", 502, "tls_protocol_error", "Connect", "Connect", "TLS to the upstream failed")
TLS_CERTIFICATE: Final = Failure(
    "TLSCertificate", 502, "tls_certificate_error", "Connect", "Connect", "the upstream's certificate isn't valid"
)
RESET: Final = Failure(
    "ConnectionLost", 502, "connection_terminated", "Reset", "Reset", "the upstream closed the connection without an answer"
)
INCOMPLETE: Final = Failure("AnswerIncomplete", 502, "http_response_incomplete", "Reset", "Reset", "the upstream's answer ended too early")
MALFORMED: Final = Failure("BadAnswer", 502, "http_protocol_error", "Reset", "Reset", "the upstream's answer isn't valid HTTP/1.1")
TIMEOUT: Final = Failure("RequestTimeout", 504, "http_response_timeout", "Timeout", "Timeout", "no answer within requestTimeout")
BODY_TIMEOUT: Final = Failure("BodyTimeout", 504, "connection_read_timeout", "Timeout", "Timeout", "a body stood still for requestTimeout")
QUEUE_TIMEOUT: Final = Failure(
    "AcquireTimeout", 503, "connection_limit_reached", "Overload", "", "no connection was free within acquireTimeout"
)
QUEUE_FULL: Final = Failure(
    "PoolFull", 503, "connection_limit_reached", "Overload", "", "maxConnections are in use, maxPending requests wait"
)
QUEUE_HOPELESS: Final = Failure(
    "QueueTooLong", 503, "connection_limit_reached", "Overload", "", "those who wait already take longer than this request may"
)
TOTAL_FULL: Final = Failure(
    "TooManyConnections", 503, "connection_limit_reached", "Overload", "", "all pools together have as many connections as this sidecar may"
)
RULE_FULL: Final = Failure("TooManyCalls", 503, "connection_limit_reached", "Overload", "", "maxConcurrentCalls are under way")
QUEUED_TOO_LONG: Final = Failure(
    "RequestTimeout",
    504,
    "http_response_timeout",
    "Timeout",
    "",
    "no answer within requestTimeout, after a long wait for a connection",
)
TRY_TIMEOUT: Final = Failure("TryTimeout", 504, "http_response_timeout", "Timeout", "Timeout", "no answer within perTryTimeout")
OUT_OF_TIME: Final = Failure(
    "DeadlineExceeded", 504, "http_response_timeout", "Timeout", "", "no answer within the time that the caller gave", False
)
TROUBLED: Final = Failure("UpstreamStatus", 502, "http_response_incomplete", "UpstreamStatus", "", "the upstream answered that it can't")
CIRCUIT_OPEN: Final = Failure("CircuitOpen", 503, "destination_unavailable", "CircuitOpen", "", "the circuit is open")
DRAINING: Final = Failure("Draining", 503, "proxy_internal_response", "Overload", "", "this sidecar is stopping", False)
CLIENTS_FULL: Final = Failure(
    "TooManyClients", 503, "connection_limit_reached", "Overload", "", "this sidecar has as many connections as it may", False
)
STARTING: Final = Failure("Starting", 503, "proxy_internal_response", "Overload", "", "this port isn't served yet", False)
ONLY_IF_CACHED: Final = Failure(
    "OnlyIfCached", 504, "proxy_internal_response", "Overload", "", "nothing stored, and the request asked for no more", False
)
CLIENT_STALLED: Final = Failure(
    "RequestBodyTimeout", 408, "http_request_error", "Overload", "", "the request's body stood still for requestTimeout", False
)
CLIENT_SLOW: Final = Failure(
    "RequestBodyTooSlow", 408, "http_request_error", "Overload", "", "the request's body came at less than 1000 bytes a second", False
)
CLIENT_STUCK: Final = Failure(
    "AnswerNotRead", 408, "http_request_error", "Overload", "", "the client neither read nor sent anything for requestTimeout", False
)
BODY_TOO_LONG: Final = Failure(
    "BodyTooLong", 413, "http_request_error", "Overload", "", "the request's body is longer than maxBodyBytes", False
)
