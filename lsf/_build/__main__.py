"""Build one part of LSF in place, for whoever works on it.

    python -m lsf._build image      # tables, floors, Cython, the image: what an edit of the shim needs, in seconds
    python -m lsf._build oci        # lsf-oci
    python -m lsf._build tables     # what is generated from lsf/freebsd/tables

The extensions (`lsf._shim` and its kin, in which tests call converters and handlers) are setup.py's: `build_ext --inplace`.
"""
from __future__ import annotations

import sys
from pathlib import Path

from lsf._build import layers, shim
from lsf._build.tables import tables

PACKAGE = Path(__file__).resolve().parent.parent


def image() -> None:
    """The image from the sources as they are. Raises BuildError."""
    tables()
    problems = layers.check()
    if problems:
        raise shim.BuildError("\n".join(problems))
    work = PACKAGE.parent / "build" / "shim"
    work.mkdir(parents=True, exist_ok=True)
    unit = shim.translate(PACKAGE / "_shim.pyx", PACKAGE / "_shim.c", PACKAGE.parent)
    shim.build(unit, PACKAGE / "generated", PACKAGE / "shim.elf", work)


def oci() -> None:
    """lsf-oci from the sources as they are. Raises BuildError."""
    from lsf import __version__
    from lsf._build.oci import build

    tables()
    unit = shim.translate(PACKAGE / "_oci.pyx", PACKAGE / "_oci.c", PACKAGE.parent)
    build(unit, PACKAGE / "oci" / "lsf-oci", PACKAGE.parent / "build" / "oci", __version__)


def main(arguments: list[str]) -> int:
    parts = {"image": image, "oci": oci, "tables": tables}
    if len(arguments) != 1 or arguments[0] not in parts:
        print(f"usage: python -m lsf._build {'|'.join(parts)}", file=sys.stderr)
        return 2
    try:
        parts[arguments[0]]()
    except shim.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
