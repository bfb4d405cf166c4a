"""Build LSF: tables from lsf/freebsd, the extensions, and the shim image from the same Cython translation unit."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as base_build_ext

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

PACKAGE = ROOT / "lsf"
GENERATED = PACKAGE / "generated"


def sentence(condition: bool, text: str) -> None:
    """Stop with one clear sentence when something that the build needs is missing."""
    if not condition:
        raise SystemExit(f"LSF cannot be built: {text}")


def prerequisites() -> None:
    sentence(sys.platform == "linux" and os.uname().machine == "x86_64", "it needs Linux on x86-64.")
    sentence(
        shutil.which("gcc") is not None, "there is no C compiler; install gcc (Debian: apt install gcc libc6-dev)."
    )
    sentence(shutil.which("ld") is not None, "there is no linker; install binutils (Debian: apt install binutils).")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    sentence(
        header.exists(), f"Python's headers are missing ({header}); install them (Debian: apt install python3-dev)."
    )


class build_ext(base_build_ext):
    """build_ext that makes the tables first and the shim image last."""

    user_options = base_build_ext.user_options + [
        ("annotate", None, "write Cython's annotated HTML beside each .pyx"),
    ]
    boolean_options = base_build_ext.boolean_options + ["annotate"]

    def initialize_options(self):
        super().initialize_options()
        self.annotate = False

    def finalize_options(self):
        prerequisites()
        from Cython.Build import cythonize
        from Cython.Compiler import Options

        from lsf._build import layers
        from lsf._build.shim import DIRECTIVES
        from lsf._build.tables import tables

        tables()
        climbs = layers.check()
        sentence(not climbs, "a file uses what a floor above it defines:\n" + "\n".join(climbs))
        Options.warning_errors = True
        generated = sorted(str(path.relative_to(ROOT)) for path in GENERATED.glob("*.c"))
        for extension in self.distribution.ext_modules:
            if extension.name == "lsf._shim":
                extension.sources += generated
        self.distribution.ext_modules[:] = cythonize(
            self.distribution.ext_modules, compiler_directives=DIRECTIVES, annotate=bool(self.annotate), quiet=True
        )
        super().finalize_options()

    def build_extensions(self):
        if ".S" not in self.compiler.src_extensions:
            self.compiler.src_extensions.append(".S")
        super().build_extensions()

    def run(self):
        from lsf._build import shim

        super().run()
        # setuptools clears `inplace` while it runs, so the image's place is decided here.
        target = PACKAGE if self.inplace else Path(self.build_lib) / "lsf"
        try:
            shim.build(PACKAGE / "_shim.c", GENERATED, target / "shim.elf", Path(self.build_temp) / "shim")
        except shim.BuildError as error:
            raise SystemExit(f"LSF cannot be built: {error}") from None
        self.build_more(target)

    def build_more(self, target: Path) -> None:
        """lsf-oci, which data_files installs as a command, and the demo's programs."""
        from lsf import __version__
        from lsf._build import oci, shim

        try:
            unit = shim.translate(PACKAGE / "_oci.pyx", PACKAGE / "_oci.c", ROOT)
            oci.build(unit, PACKAGE / "oci" / "lsf-oci", Path(self.build_temp) / "oci", __version__)
        except shim.BuildError as error:
            raise SystemExit(f"LSF cannot be built: {error}") from None
        (target / "demo").mkdir(parents=True, exist_ok=True)
        shim.build_demo(PACKAGE / "demo" / "demo.c", target / "demo")


def extensions() -> list[Extension]:
    common = dict(
        include_dirs=["lsf", "lsf/machine/ground", "lsf/machine/amd64", "lsf/freebsd/state", "lsf/generated"],
        extra_compile_args=["-O2", "-fvisibility=hidden", "-Wno-unused-function"],
    )
    shim_args = dict(
        common,
        extra_compile_args=common["extra_compile_args"] + ["-mfsgsbase", "-Ulinux", "-Uunix", "-fno-strict-aliasing"],
        define_macros=[("LSF_HOSTED", "1")],
    )
    result = [
        Extension(
            "lsf._shim",
            ["lsf/_shim.pyx", "lsf/machine/ground/runtime.c", "lsf/machine/amd64/entry.S", "lsf/freebsd/amd64/calls.S"],
            depends=[
                str(p)
                for p in (
                    *PACKAGE.glob("machine/**/*.*"),
                    *PACKAGE.glob("freebsd/**/*.pxi"),
                    *PACKAGE.glob("freebsd/**/*.h"),
                )
            ],
            **shim_args,
        ),
    ]
    for name in ("_structs", "_trace", "_namespace"):
        if (PACKAGE / f"{name}.pyx").exists():
            result.append(
                Extension(
                    f"lsf.{name}", [f"lsf/{name}.pyx"], depends=[str(p) for p in PACKAGE.glob("supervisor/*")], **common
                )
            )
    return result


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": build_ext},
    scripts=["scripts/lsf", "scripts/go_freebsd_amd64_exec", "scripts/lsf-oci-config"],
    # lsf-oci is no script, but a program that the build makes.
    data_files=[("share/man/man1", ["docs/lsf.1"]), ("bin", ["lsf/oci/lsf-oci"])],
)
