"""Checks `metadata` as the API server does, as far as people write it: unknown fields, types, names, labels, annotations. Pure.

Source: metav1.ObjectMeta and apimachinery's ValidateObjectMeta. A name is required here although the server could make one up
(`generateName`): without a server nobody does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TEXTS: Final = ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_TEXT_MAPS: Final = ("labels", "annotations")
_OTHERS: Final = ("generation", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields")
FIELDS: Final = frozenset({*_TEXTS, *_TEXT_MAPS, *_OTHERS})

_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEY: Final = re.compile(r"(?:(?P<prefix>[^/]*)/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

Finding = tuple[str, str]  # field path, message


def unreadable(metadata: Any) -> Iterator[Finding]:
    """What keeps it from being decoded at all; the server says nothing else of such a document."""
    if not isinstance(metadata, dict):
        if metadata is not None:
            yield "metadata", "must be a mapping with a name"
        return
    for field, value in metadata.items():
        if field in _TEXTS and not isinstance(value, str | None):
            yield f"metadata.{field}", "must be a text: put it in quotes"
        elif field in _TEXT_MAPS and not _is_text_map(value):
            yield f"metadata.{field}", "must be a mapping of texts: put numbers, yes and no in quotes"


def _is_text_map(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values()))


def unknown(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """Fields that no metadata has."""
    for field in metadata:
        if field not in FIELDS:
            yield f"metadata.{field}", "there is no such field: known are name, namespace, labels, annotations and some of the server's"


def wrong(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """What of a readable metadata isn't allowed."""
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name:
        yield "metadata.name", "is required"
    elif not _SUBDOMAIN.fullmatch(name):
        yield "metadata.name", "must be lower case letters, digits, - and ."
    if namespace and not _LABEL.fullmatch(namespace):
        yield "metadata.namespace", "must be at most 63 lower case letters, digits and -"
    labels = metadata.get("labels") or {}
    if not all(_is_key(key) for key in labels) or not all(_LABEL_VALUE.fullmatch(value or "") for value in labels.values()):
        yield "metadata.labels", "keys and values must be at most 63 letters, digits, -, _ and .; a key may have a domain and / before it"
    if not all(_is_key(key.lower()) for key in metadata.get("annotations") or {}):
        yield "metadata.annotations", "keys must be at most 63 letters, digits, -, _ and .; a key may have a domain and / before it"


def _is_key(key: str) -> bool:
    match = _KEY.fullmatch(key)
    return match is not None and (match["prefix"] is None or _SUBDOMAIN.fullmatch(match["prefix"]) is not None)
