"""The policies in the guides, as a reader would copy them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from slipstream_api.yamlread import read_documents

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guide").glob("*.md"))
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def policies(path: Path) -> list[Any]:
    """The documents of a guide that are whole policies."""
    found = [document.value for block in BLOCK.findall(path.read_text()) for document in read_documents(block)]
    return [value for value in found if str(value.get("apiVersion", "")).startswith("slipstream.dev/")]


EXAMPLES = [(path.stem, value) for path in GUIDES for value in policies(path)]


def example(guide: str, name: str) -> Any:
    """The one of that name in a guide."""
    (found,) = [value for stem, value in EXAMPLES if (stem, value["metadata"]["name"]) == (guide, name)]
    return found
