"""What the real API server says of a document: the field paths that it refuses, read out of its or kubectl's words. Judges nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from e2e.harness import kubectl
from e2e.harness.forward import send
from slipstream_api.schema import GROUP, KINDS, VERSION

_FIELD = re.compile(
    r"(?:^\* |is invalid: (?!\n))(\S+?): (?:Invalid value|Required value|Unsupported value|Too long|Too many|Duplicate value)", re.MULTILINE
)
_UNKNOWN = re.compile(r'unknown field \\?"([^"\\]+)\\?"')
_UNREADABLE = re.compile(r"Go struct field ObjectMeta\.(?:metadata\.)?(\w+)")  # decoding metadata failed, so nothing else was looked at
# Lines without a path of their own: rules that were not run, and a second way to say that a type is wrong.
_NO_PATH = re.compile(r"some validation rules were not checked|must validate at least one schema|Checked value must be of type")
_CHECKED = re.compile(r"Checked value must be of type .+? in ([\w.\[\]]+)")  # said besides since 1.37


def refused_paths(text: str) -> frozenset[str]:
    """Paths that `kubectl create --dry-run=server` reports for one document; `?` with an answer that isn't understood."""
    done = kubectl.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)
    if done.returncode == 0:
        return frozenset()
    words = "\n".join(line for line in done.stderr.splitlines() if not _NO_PATH.search(line))
    return _understood({*_decoding(words), *_FIELD.findall(words), *_CHECKED.findall(done.stderr)}, done.stderr)


def refused_paths_of(document: dict[str, Any], proxy: str) -> frozenset[str]:
    """The same for a document that needs no reader of YAML; some 20 times as fast."""
    plural = KINDS[document["kind"]][0]
    url = f"{proxy}/apis/{GROUP}/{VERSION}/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
    status, answer = send("POST", url, json.dumps(document).encode())
    if status in (200, 201):
        return frozenset()
    causes = (answer.get("details") or {}).get("causes") or []
    fields = {cause.get("field", "") for cause in causes if not _NO_PATH.search(cause.get("message", ""))}
    fields |= set(_CHECKED.findall(answer["message"]))
    return _understood(fields | (set() if causes else _decoding(answer["message"])), answer["message"])


def read_by_kubectl(specs: str) -> Any:
    """What kubectl reads of a `spec`, given as YAML; None where it can't. Asks the server for nothing but the kind."""
    text = f"apiVersion: {GROUP}/{VERSION}\nkind: ConnectionPool\nmetadata: {{name: x}}\nspec:\n{specs}"
    done = kubectl.run("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", stdin=text, check=False)
    return json.loads(done.stdout)["spec"] if done.returncode == 0 else None


def _decoding(words: str) -> set[str]:
    return {*_UNKNOWN.findall(words), *(f"metadata.{field}" for field in _UNREADABLE.findall(words))}


def _understood(paths: set[str], words: str) -> frozenset[str]:
    found = frozenset("" if path == "<nil>" else path for path in paths)
    return found or frozenset({f"? {words.strip()}"})
