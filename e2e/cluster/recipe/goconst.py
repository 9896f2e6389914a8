"""goconst.py FILE.go NAME: prints a Go string constant made of "..", `..`, other constants and +; must not run the file."""

import re
import sys
from pathlib import Path

TOKEN = re.compile(r'\s*(`[^`]*`|"(?:[^"\\]|\\.)*"|\w+)\s*(\+?)')


def value(source: str, name: str) -> str:
    start = re.search(rf"^const {re.escape(name)}\s*=", source, re.MULTILINE)
    if start is None:
        sys.exit(f"no constant {name}")
    pos, out = start.end(), ""
    while True:
        token = TOKEN.match(source, pos)
        if token is None:
            sys.exit(f"constant {name}: cannot read {source[pos : pos + 40]!r}")
        word, more = token.groups()
        out += word[1:-1] if word[0] in '`"' else value(source, word)
        if not more:
            return out
        pos = token.end()


if __name__ == "__main__":
    sys.stdout.write(value(Path(sys.argv[1]).read_text(), sys.argv[2]))
