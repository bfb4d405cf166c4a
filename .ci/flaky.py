#!/usr/bin/env python3
"""Counts the tests that failed, and passed when they ran once more, over all runs of .ci/run.

    .ci/flaky.py FILE FIRST SECOND      take in a run, then print the list
    .ci/flaky.py FILE                   print it

FIRST and SECOND are pytest's lists of failures (v/cache/lastfailed in its cache) after the first and the second run. FILE has
a line for each test: how often, when last, which.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def read(file: Path) -> dict[str, tuple[int, str]]:
    """{test: (how often, when last)}."""
    found = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        count, when, test = line.split("\t", 2)
        found[test] = int(count), when
    return found


def failures(file: str) -> set[str]:
    """The tests of a list of failures; none where pytest wrote no list."""
    return set(json.loads(Path(file).read_text())) if Path(file).exists() else set()


def add(known: dict[str, tuple[int, str]], first: set[str], second: set[str], when: str) -> None:
    """Count those that failed in the first run alone. Folders and files, which cannot be collected, are no tests."""
    for test in sorted(first - second):
        if "::" in test:
            known[test] = known.get(test, (0, ""))[0] + 1, when


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 3):
        print(__doc__, file=sys.stderr)
        return 2
    file = Path(arguments[0])
    known = read(file)
    if len(arguments) == 3:
        add(known, failures(arguments[1]), failures(arguments[2]), time.strftime("%Y-%m-%d", time.gmtime()))
        lines = sorted(
            (f"{count}\t{when}\t{test}" for test, (count, when) in known.items()),
            key=lambda line: -int(line.split()[0]),
        )
        file.write_text("".join(f"{line}\n" for line in lines))
    if known:
        print("Tests that at times need a second run (how often, when last):")
        print(file.read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
