"""Writes crds/*.yaml from the models, or says that they aren't current. The only module here that writes files; makes no decision.

python -m slipstream_api.crdgen FOLDER            writes one file a kind
python -m slipstream_api.crdgen --check FOLDER    exits 1 when a file differs from the models
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from slipstream_api.schema import KINDS, crd

HEADER = "# Generated from the models in slipstream_api by `make crds`: change those instead.\n"
LIMIT = 100_000  # bytes; a client-side apply keeps a copy in an annotation, which is limited to 262,144


class _Dumper(yaml.SafeDumper):
    """Without anchors: a reader shouldn't have to follow them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(kind: str) -> str:
    """The file of a kind."""
    text = HEADER + yaml.dump(crd(kind), Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True)
    if len(text) >= LIMIT:
        raise ValueError(f"{kind}: the CRD has {len(text)} bytes, more than {LIMIT}")
    return text


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 1 when --check found a difference."""
    parser = argparse.ArgumentParser(prog="python -m slipstream_api.crdgen", description="CRDs from the models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file isn't current")
    given = parser.parse_args(arguments)
    stale = []
    for kind, (plural, _, _) in KINDS.items():
        file, text = given.folder / f"{plural}.yaml", render(kind)
        if not given.check:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale.append(str(file))
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}: run `make crds` and commit the result\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
