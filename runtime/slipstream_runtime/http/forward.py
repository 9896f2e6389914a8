"""Heads as the other side gets them: hop-by-hop fields dropped, framing written anew. Pure."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.fields import OF_THE_HOP
from slipstream_runtime.http.framing import CHUNKED, UNTIL_CLOSE
from slipstream_runtime.http.request import RequestHead

END: Final = b"\r\n\r\n"
VIA: Final = b"\r\nVia: 1.1 slipstream"
TRANSFER_CHUNKED: Final = b"\r\nTransfer-Encoding: chunked"
_CHUNKED_END: Final = TRANSFER_CHUNKED + END
CONNECTION_CLOSE: Final = b"\r\nConnection: close"
CONNECTION_KEEP_ALIVE: Final = b"\r\nConnection: keep-alive"


_VIA_END: Final = VIA + END
_VIA_CHUNKED_END: Final = VIA + TRANSFER_CHUNKED + END


def forwarded_request(head: RequestHead, host: bytes) -> bytes:
    """The head for the upstream; `host` replaces the client's Host unless empty."""
    ordinary = head.lines
    if ordinary is not None:  # it has Host, and neither Expect nor an upgrade
        return ordinary.forwarded(OF_THE_HOP, host, _VIA_CHUNKED_END if head.body == CHUNKED else _VIA_END)
    own = head.host_field
    if head.block and own is not None:
        block = head.block
        if host:  # Host is there exactly once, and no other line can start as it does
            block = block.replace(b"\r\n" + own.raw, b"\r\nHost: " + host, 1)
        return block + _VIA_END
    line = head.line
    lines = [b"%b %b HTTP/1.1" % (line.method, line.target)]
    if own is None:
        lines.append(b"Host: " + host)
    lines += [b"Host: " + host if host and field is own else field.raw for field in head.fields]
    block = b"\r\n".join(lines) + VIA
    if head.body == CHUNKED:
        block += TRANSFER_CHUNKED
    if head.expects_continue:
        block += b"\r\nExpect: 100-continue"
    if head.upgrade:
        block += b"\r\nConnection: Upgrade\r\nUpgrade: " + head.upgrade
    return block + END


def forwarded_answer(head: AnswerHead, extra: bytes, connection: bytes, chunked: bool) -> bytes:
    """The head for the client: what may be forwarded, our `extra` lines (each with a leading CRLF), `connection`, and our framing."""
    tail = extra + connection + (_CHUNKED_END if chunked else END)
    if head.block:
        return head.block + tail
    if head.lines is not None:
        return head.lines.forwarded(OF_THE_HOP, b"", tail)
    return b"\r\n".join([head.line.raw, *[field.raw for field in head.fields]]) + tail


def switching(head: AnswerHead) -> bytes:
    """The head of a 101, after which both sides are raw."""
    lines = [head.line.raw, *[field.raw for field in head.fields], b"Connection: Upgrade", b"Upgrade: " + head.upgrade]
    return b"\r\n".join(lines) + END


def connection_line(http11: bool, keep_alive: bool) -> bytes:
    """What to tell a client about its connection; silence where its version already says it."""
    if not keep_alive:
        return CONNECTION_CLOSE
    return b"" if http11 else CONNECTION_KEEP_ALIVE


def needs_chunks(body: int, http11: bool) -> bool:
    """Whether an answer's body is re-framed as chunks: its length isn't known, and the client can read chunks."""
    return http11 and body in (CHUNKED, UNTIL_CLOSE)
