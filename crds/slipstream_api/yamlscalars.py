"""What kubectl makes of one scalar of YAML: go-yaml's resolution of plain words and tags, then numbers as JSON carries them. Pure.

Differs from PyYAML on booleans (`y`), octals (`0o10`, `010`), underscores, exponents (`1e3`), sexagesimals (`1:30`) and dates. Source:
sigs.k8s.io/yaml's copy of go-yaml v2, resolve.go; each row of the tests was read by kubectl itself (e2e/corpus).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

Scalar = str | int | float | bool | None

_BOOLEANS: Final = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_IN_JSON: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER: Final = re.compile(r"([-+]?)(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}
_TYPES: Final[dict[str, tuple[type, ...]]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}


def resolve(text: str, tag: str) -> Scalar:
    """The value of a scalar. `tag`: `plain`, `text` (quoted or a block), or an explicit one; ValueError says what is wrong."""
    if tag == "plain":
        return _plain(text)
    name = tag.removeprefix("tag:yaml.org,2002:")
    if name == "binary":
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError(f"{text!r} isn't base64 of a text") from None
    if name not in _TYPES:
        return text
    value = _plain(text)
    if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "bool"):
        raise ValueError(f"{text!r} is no {name}, as its tag says")
    return value


def is_null(text: str) -> bool:
    """Whether a plain scalar is null."""
    return text in _NULLS


def _plain(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_IN_JSON.fullmatch(text):
        raise ValueError(f"JSON has no {text}: write a number")
    if text[0] == ".":
        return _number(text) if _FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789":
        return text
    digits = text.replace("_", "")
    integer = _integer(digits)
    if integer is not None:
        return integer
    return _number(digits, text) if _FLOAT.fullmatch(digits) else text


def _integer(digits: str) -> int | float | None:
    """A whole number that fits 64 bits; what JSON's reader can't keep as one becomes a float."""
    match = _INTEGER.fullmatch(digits)
    if match is None:
        return None
    sign, body = match.groups()
    base = _BASES.get(body[:2].lower(), 8 if body[0] == "0" and len(body) > 1 else 10)
    value = int(body[2:] if base != 10 and body[1:2].isalpha() else body, base) * (-1 if sign == "-" else 1)
    if -(2**63) <= value < 2**63:
        return value
    return float(value) if 0 < value < 2**64 else None


def _number(digits: str, text: str = "") -> int | float | str:
    """A float, or the whole number that it is: `8080.0` and `1e3` travel as 8080 and 1000. One beyond all floats stays a text."""
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        return text or digits
    return int(value) if value.is_integer() and -(2**63) < value < 2**63 else value
