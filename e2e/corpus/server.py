"""What the real API server says of a document: the field paths that it refuses, read out of kubectl's words. Judges nothing."""

from __future__ import annotations

import re

from e2e.harness import kubectl

_FIELD = re.compile(
    r"(?:^\* |is invalid: (?!\n))(\S+?): (?:Invalid value|Required value|Unsupported value|Too long|Too many|Duplicate value)", re.MULTILINE
)
_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
# Lines without a path of their own: rules that were not run, and a second way to say that a type is wrong.
_NO_PATH = re.compile(r"some validation rules were not checked|must validate at least one schema")


def refused_paths(text: str) -> frozenset[str]:
    """Paths that `kubectl create --dry-run=server` reports for one document; `?` with an answer that isn't understood."""
    done = kubectl.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)
    if done.returncode == 0:
        return frozenset()
    words = "\n".join(line for line in done.stderr.splitlines() if not _NO_PATH.search(line))
    paths = {_plain(path) for path in (*_UNKNOWN.findall(words), *_FIELD.findall(words))}
    return frozenset(paths) if paths else frozenset({f"? {done.stderr.strip()}"})


def _plain(path: str) -> str:
    return "" if path == "<nil>" else path
