"""`lsfctl root verify`: every file of a root against what was recorded when it was made."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator

from lsf import roots
from lsf.roots import Root, RootError, record

DIFFERS = 1


@contextlib.contextmanager
def counting(total: int, what: str, quiet: bool) -> Iterator[Callable[[], object]]:
    """Count files on a terminal: a function to be called for each."""
    try:
        from tqdm import tqdm
    except ImportError:  # it goes without
        yield lambda: None
        return
    with tqdm(
        total=total, desc=what, unit=" files", disable=quiet or None, dynamic_ncols=True, mininterval=0.2, leave=False
    ) as bar:
        yield bar.update


def named(name: str) -> Root:
    """A root of the stores by its name, the beginning of its release, or "" for the default one. Raises RootError."""
    every = roots.installed()
    root = roots.find(name) if name else (every[0] if every else None)
    if root is None:
        known = ", ".join(root.name for root in every) or "none"
        raise RootError(f"no root is called {name}; there are: {known}" if name else roots.none_installed())
    return root


def differences(root: Root, quiet: bool) -> list[tuple[str, str]]:
    """How a root differs from its record (record.differences). Raises RootError where it has none."""
    recorded = record.read(root.path, root.name)
    with counting(len(recorded), f"verifying {root.name}", quiet) as seen:
        return list(record.differences(root.path, recorded, seen))


def run(arguments: argparse.Namespace) -> int:
    """Print what differs, a line for each file: 0 where nothing does, else 1. What was added is only counted, unless asked for."""
    root = named(arguments.name)
    found = differences(root, arguments.quiet)
    changed = [(name, words) for name, words in found if words != "added"]
    added = len(found) - len(changed)
    for name, words in found if arguments.added else changed:
        print(f"./{record.encode(name)}: {words}")
    if not arguments.quiet:
        more = f", {added} {'was' if added == 1 else 'were'} added" if added else ""
        state = (
            f"{len(changed)} {'file differs' if len(changed) == 1 else 'files differ'}"
            if changed
            else "as it was installed"
        )
        print(f"{root.name}: {state}{more}", file=sys.stderr)
    return DIFFERS if changed else 0
