"""Build lsf-oci: a Cython unit, compiled freestanding as the shim is, into a static program."""
from __future__ import annotations

import sys
from pathlib import Path

from lsf._build import check_image, shim

#: What it has beside the unit of Cython. Of the generated tables it needs the texts of errors.
SOURCES = ("oci/start.S", "machine/ground/string.c", "generated/errno.c", "generated/decode.c")


def build(c_file: Path, target: Path, work: Path, version: str, cc: str = "gcc", package: Path = shim.PACKAGE) -> None:
    """Compile and link the program. version: the package's, which it says. Raises BuildError."""
    work.mkdir(parents=True, exist_ok=True)
    said = (f'-DLSF_VERSION="{version}"', f'-DLSF_PYTHON="python{sys.version_info[0]}.{sys.version_info[1]}"')
    generated = package / "generated"
    objects = [
        shim.compile_object(source, work / (source.stem + ".o"), generated, cc, package, said)
        for source in (c_file, *(package / source for source in SOURCES))
    ]
    fresh = target.with_name(target.name + ".new")
    try:
        shim.run(["ld", "-static", "-nostdlib", "--gc-sections", "--build-id=none", "-s", "-z", "noexecstack", "-z", "max-page-size=4096",
                  "-e", "_start", "-o", str(fresh), *map(str, objects)])
    except shim.BuildError as error:
        reasons = check_image.explain(objects)
        raise shim.BuildError("lsf-oci does not link:\n" + ("\n".join(reasons) or str(error))) from None
    fresh.chmod(0o755)
    fresh.replace(target)
