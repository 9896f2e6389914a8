"""Writes the JSON schema of the report from its model, or says that the file isn't current. Decides nothing of what is in it.

python -m slipstream_loadtest.report.schema FILE            writes it
python -m slipstream_loadtest.report.schema --check FILE    exits 1 when it differs from the model
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from slipstream_loadtest.report.model import REPORT_VERSION, Report


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Report of a Slipstream load test, version {REPORT_VERSION}",
        "$comment": "Generated from slipstream_loadtest/report/model.py by `make crds`: change that instead.",
        **msgspec.json.schema(Report),
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 1 when --check found a difference."""
    parser = argparse.ArgumentParser(prog="python -m slipstream_loadtest.report.schema", description="The report's JSON schema.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file isn't current")
    given = parser.parse_args(arguments)
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    if not given.check:
        given.file.parent.mkdir(parents=True, exist_ok=True)
        given.file.write_text(text)
        return 0
    if given.file.exists() and given.file.read_text() == text:
        return 0
    sys.stderr.write(f"not current: {given.file}: run `make crds` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
