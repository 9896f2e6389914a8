"""Text from outside (names, error texts) made harmless in HTML and XML. Pure."""

from __future__ import annotations

import html
import re
from typing import Final

# What XML 1.0 forbids, surrogates, and controls that turn the direction of the text around them.
_HARMFUL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(value: object) -> str:
    """As text, with U+FFFD for each character that no document should hold."""
    return _HARMFUL.sub("�", str(value))


def esc(value: object) -> str:
    """For content and for quoted attributes, in HTML and in XML."""
    return html.escape(clean(value), quote=True)
