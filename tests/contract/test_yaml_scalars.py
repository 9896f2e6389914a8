"""Scalars are read as kubectl reads them: the table was read by kubectl itself (e2e/corpus)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from slipstream_api.yamlread import YamlError, read_documents
from tests.contract.corpus.reader import UNREADABLE, scalars

TABLE = scalars()


def same(found: Any, expected: Any) -> bool:
    """Equal, and of one type; a whole number is a whole number however JSON's reader in Python keeps it."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    numbers = (int, float)
    if type(found) in numbers and type(expected) in numbers:
        return bool(found == expected or float(found) == float(expected))
    return type(found) is type(expected) and bool(found == expected)


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[text for text, _ in TABLE])
def test_a_scalar_is_read_as_kubectl_does(text: str, expected: Any) -> None:
    """Value and type; what kubectl can't read is an error with the line."""
    if expected is UNREADABLE:
        with pytest.raises(YamlError) as caught:
            read_documents(f"spec:\n  k: {text}\n")
        assert caught.value.line >= 2
        return
    (document,) = read_documents(f"spec:\n  k: {text}\n")
    assert same(document.value["spec"]["k"], expected)


def test_the_table_has_what_pyyaml_reads_otherwise() -> None:
    """The control: read with PyYAML's own rules, many rows differ, so that the table can't agree by chance."""

    def plain(text: str) -> Any:
        try:
            return yaml.safe_load(f"k: {text}\n")["k"]
        except (yaml.YAMLError, ValueError):
            return UNREADABLE

    differing = [text for text, expected in TABLE if expected is not UNREADABLE and not same(plain(text), expected)]
    assert len(differing) > 30
    assert {"y", "0o10", "1:30", "2026-01-01", "1e3"} <= set(differing)
