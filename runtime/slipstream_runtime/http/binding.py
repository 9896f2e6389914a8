"""Credentials that authenticate a connection and not one request: Negotiate, NTLM and their kin. Pure; closes nothing.

Whoever has such a connection next would be taken for the caller that logged in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from slipstream_runtime.cores.fields import HeaderField

SCHEMES: Final = (b"negotiate", b"nego2", b"ntlm", b"kerberos", b"credssp")  # their first letters are in http/_scan.c, too
LOGINS: Final = frozenset((b"authorization",))  # of what goes on to an upstream
CHALLENGES: Final = frozenset((b"www-authenticate", b"proxy-authenticate"))
_LONGEST: Final = 9
_FIRST: Final = frozenset(letter for scheme in SCHEMES for letter in (scheme[:1], scheme[:1].upper()))
_BLANKS: Final = b" \t"


def may_bind(value: bytes) -> bool:
    """Whether `binds` has to look, which is said of few credentials and much sooner."""
    return value.lstrip(_BLANKS)[:1] in _FIRST or b"," in value


def binds(value: bytes) -> bool:
    """Whether a credential or a challenge names such a scheme, at first or behind a comma, in any case. Commas in quoted strings count:
    a connection too many is closed, none too few."""
    parts = value.split(b",") if b"," in value else (value,)
    return any(part.lstrip(_BLANKS)[:_LONGEST].lower().startswith(SCHEMES) for part in parts)


def lines_bind(lines: Iterable[bytes]) -> bool:
    """The same of header lines as they came."""
    return any(binds(raw.partition(b":")[2]) for raw in lines)


def fields_bind(fields: Iterable[HeaderField], names: frozenset[bytes]) -> bool:
    """The same of those of `fields` that are called so."""
    return any(field.name in names and binds(field.value) for field in fields)
