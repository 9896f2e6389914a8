"""YAML as kubectl reads it; each row is a scalar on which PyYAML's own resolver or a person's guess would differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slipstream_api.yamlread import YamlError, read_documents

BASIC = st.characters(codec="utf-8", max_codepoint=0xFFFF)  # beyond it JSON escapes in pairs, which YAML reads as two


def value(text: str) -> Any:
    (document,) = read_documents(f"a: {text}\n")
    return document.value["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y", True),
        ("Off", False),
        ('"y"', "y"),
        ("1e3", 1000),
        ("0o10", 8),
        ("010", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),  # JSON's reader of the API server keeps what 64 bits can't hold as a float
        ("-9223372036854775809", -(2.0**63)),
        ("8080.0", 8080),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
        ("", None),
        ("!!str 12", "12"),
        ("5m", "5m"),
        ("5xx", "5xx"),
        ("| \n  1\n", "1\n"),
        ("08", 8),
    ],
)
def test_scalars(text: str, expected: Any) -> None:
    """Value and type."""
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_a_key_that_is_there_twice_is_refused_with_its_line() -> None:
    """PyYAML would silently take the last one (the control)."""
    text = "spec:\n  ttl: 5m\n  ttl: 6m\n"
    assert yaml.safe_load(text) == {"spec": {"ttl": "6m"}}
    with pytest.raises(YamlError, match="'ttl' is there twice") as caught:
        read_documents(text)
    assert caught.value.line == 3


def test_broken_yaml_is_refused_with_its_line() -> None:
    """No traceback of a parser."""
    with pytest.raises(YamlError, match="not YAML") as caught:
        read_documents("a: 1\nb: [\n")
    assert caught.value.line in (2, 3)


def test_documents_keep_their_lines() -> None:
    """Empty documents are left out; a path that isn't there points to the nearest part that is."""
    first, second = read_documents("a: 1\n---\n---\nspec:\n  rules:\n  - ttl: 5m\n")
    assert (first.line, second.line) == (1, 4)
    assert second.line_of("spec.rules[0].ttl") == 6
    assert second.line_of("spec.rules[0].name") == 6
    assert second.line_of("spec.limits.x") == 4


def test_anchors_and_merges() -> None:
    """Own keys come before merged ones."""
    (document,) = read_documents("base: &b {x: 1, y2: 2}\nuse: {<<: *b, x: 3}\n")
    assert document.value["use"] == {"x": 3, "y2": 2}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(BASIC, max_size=10),
        lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(BASIC, max_size=5), s, max_size=3),
        max_leaves=8,
    )
)
def test_json_is_read_as_it_is(data: Any) -> None:
    """JSON is YAML: what a tool writes as JSON comes back the same (texts that JSON quotes stay texts)."""
    if data is None:
        return
    (document,) = read_documents(json.dumps({"a": data}))
    assert document.value == {"a": data}
