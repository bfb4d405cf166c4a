"""Prints the changelog's section of a release. Fails where the tag, lsf.__version__ and CHANGELOG.md do not agree.

python .github/release_notes.py v0.2.0
"""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def notes(tag: str, top: Path = TOP) -> str:
    version = re.findall(r'^__version__ = "([^"]+)"$', (top / "lsf" / "__init__.py").read_text(), re.MULTILINE)[0]
    if tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, and lsf.__version__ is {version}")
    changelog = (top / "CHANGELOG.md").read_text()
    found = re.search(rf"^## {re.escape(version)}( [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[2].strip():
        raise SystemExit(f"CHANGELOG.md says nothing of {version}")
    return found[2].strip() + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: release_notes.py TAG")
    print(notes(sys.argv[1]), end="")
