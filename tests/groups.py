"""Which tests pytest-xdist keeps in one process: those marked `alone`, and those of each file marked `together`.

xdist's own groups are part of a test's name, which pytest 9.2 does not let it change (they are then ignored without a word), and by which
--last-failed does not find it. So the process that hands out the tests reads the marks in the files.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_OF_A_FILE = re.compile(r"^pytestmark\b.*\bpytest\.mark\.(alone|together)\b", re.MULTILINE)
_OF_A_FUNCTION = re.compile(r"^@pytest\.mark\.alone\b(?:(?!^def ).*\n)*?^def (\w+)", re.MULTILINE)


@functools.cache
def _marks(file: Path) -> tuple[str, frozenset[str]]:
    """The mark that a file has ("" for none), and its functions that are marked alone."""
    text = file.read_text() if file.is_file() else ""
    found = _OF_A_FILE.search(text)
    return found[1] if found else "", frozenset(_OF_A_FUNCTION.findall(text))


def group(top: Path, test: str) -> str:
    """What a test (as pytest names it, below `top`) must be in one process with: itself, if with nothing."""
    name, _, rest = test.partition("::")
    of_the_file, alone = _marks(top / name)
    if of_the_file == "alone" or rest.partition("[")[0] in alone:
        return "alone"
    return name if of_the_file == "together" else test


class Scheduling(LoadScopeScheduling):
    """Hands out each group as a whole, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return group(Path(self.config.rootpath), nodeid)
