"""Builds Toyunix: its image, from lsf/machine and the files here, and its program.

python -m tests.toyunix.build OUTDIR      # OUTDIR/toyunix.elf and OUTDIR/program
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lsf._build import generate, shim

HERE = Path(__file__).resolve().parent
MACHINE = HERE.parents[1] / "lsf" / "machine"
OSABI = 84  # TOY_OSABI of toyunix.pyx


def build_image(out: Path) -> Path:
    """Build the image where nothing of lsf is but its machine. Raises shim.BuildError."""
    package, tables = out / "package", out / "tables"
    shutil.copytree(MACHINE, package / "machine", dirs_exist_ok=True)
    shutil.copytree(HERE / "tables", tables, dirs_exist_ok=True)
    # The lengths of the processor's instructions, which are no personality's.
    (tables / "instructions.h").write_text(generate.instructions_h())
    (tables / "instructions.c").write_text(generate.instructions_c())
    work = out / "work"
    work.mkdir(exist_ok=True)
    c_file = shim.translate(HERE / "toyunix.pyx", work / "toyunix.c", package)
    image = out / "toyunix.elf"
    shim.build(c_file, tables, image, work, package=package, personality=(HERE / "trampoline.S",))
    return image


def build_program(out: Path) -> Path:
    """Compile the program, and brand it."""
    program = out / "program"
    flags = (
        "-O2 -Wall -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-pie -no-pie -nostdlib -static -fcf-protection=none "
        "-Wl,--build-id=none -Wl,-z,noexecstack"
    ).split()
    subprocess.run(["gcc", *flags, str(HERE / "program.c"), "-o", str(program)], check=True, timeout=60)
    data = bytearray(program.read_bytes())
    data[7] = OSABI
    program.write_bytes(data)
    return program


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    print(build_image(target), build_program(target))
