"""The guests on an image that traps where C leaves the behaviour undefined (-fsanitize=undefined).

A trap is SIGILL, and a guest that ends so fails. LSF_TEST_STRESS=full runs every guest, which takes minutes; else those of two folders.
"""

from __future__ import annotations

from pathlib import Path

import harness
import pytest

pytest.importorskip("Cython", reason="the image is built here, and the installed package does not need Cython")

from lsf._build import shim

pytestmark = pytest.mark.together
FOLDERS = ("sysctl", "time")

#: They look at where the image lies, or at what it is called.
OF_THE_IMAGE = {("files_open", "executable_is_busy")}

CASES = [
    (path.stem, case)
    for path in harness.guests()
    if harness.STRESS or path.parent.name in FOLDERS
    for case in harness.guest_cases(path)
    if (path.stem, case) not in OF_THE_IMAGE
]


@pytest.fixture(scope="module")
def image() -> Path:
    """Kept in the cache as long as the sources are the same: it takes half a minute."""
    package = harness.sources()
    made = {path.with_suffix(".c") for path in package.glob("*.pyx")}
    key = [
        path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.suffix in (".pyx", ".pxi", ".pxd", ".c", ".h", ".S", ".ld") and path not in made
    ]

    def build(out: Path) -> None:
        unit = shim.translate(package / "_shim.pyx", out.parent / "_shim.c", package.parent)
        shim.build(
            unit, package / "generated", out, out.parent / "objects", package=package, more=(*shim.SANITIZE, "-O1")
        )

    with harness.locked(harness.CACHE / "sanitized"):
        return harness.cached_build("sanitized", [*shim.SANITIZE, *key], build)


@pytest.mark.parametrize(("guest", "case"), CASES, ids=[f"{guest}.{case}" for guest, case in CASES])
def test_nothing_undefined_is_done(image, tmp_path, guest, case):
    class Sanitized(harness.Runner):
        @staticmethod
        def image() -> Path:
            return image

    result = Sanitized("sud", tmp_path)(harness.compile_guest(guest), case)
    if result.stdout.startswith(f"skip {guest}: "):
        harness.not_covered(f"guest {guest}.{case}", result.stdout.partition(": ")[2])
    assert result.returncode == 0, result.explain()


def test_the_image_traps(image):
    """An image that is like any other would let everything pass."""
    assert image.read_bytes().count(b"\x0f\x0b") > 1000
