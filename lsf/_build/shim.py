"""Build the shim image: the Cython translation unit, compiled freestanding and linked at its fixed address."""
from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from lsf._build import check_image

PACKAGE = Path(__file__).resolve().parent.parent

#: Compiler directives of every .pyx here. With legacy_implicit_noexcept and -Werror a forgotten `noexcept` is an error
#: that names file and line, instead of one of ld's.
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "legacy_implicit_noexcept": True,
    "emit_code_comments": False,
}

CFLAGS = (
    "-O2 -std=gnu11 -Ulinux -Uunix -ffreestanding -fno-stack-protector -mgeneral-regs-only -mfsgsbase -fpie -fvisibility=hidden "
    "-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-strict-aliasing -fcf-protection=none "
    # The shim stack has 56 KiB.
    "-Werror=frame-larger-than=20480 "
    "-Wno-unused-function -Wno-unused-variable -Wno-unused-but-set-variable"
).split()


#: Where the machine's headers are, and what an image has beside the unit of Cython: the machine's, and its personality's.
HEADERS = ("machine/ground", "machine/amd64")
#: And where own.h is, FreeBSD's share of the machine's structs; another personality has its own beside its tables.
OWN = "freebsd/state"
MACHINE = ("machine/ground/runtime.c", "machine/ground/string.c", "machine/amd64/entry.S")
FREEBSD = (Path("freebsd/amd64/calls.S"),)
SCRIPT = "machine/ground/shim.ld"


#: An image that traps where C leaves the behaviour undefined: a guest then ends by SIGILL. (The layouts of FreeBSD's structs
#: are met at any address, so alignment is not asked for; its frames are larger.)
SANITIZE = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-fno-sanitize=alignment", "-Wno-error=frame-larger-than=")


class BuildError(Exception):
    """The image cannot be built; the text says why in the contributor's terms."""


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:1])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def includes(generated: Path, package: Path = PACKAGE) -> list[str]:
    folders = [package, *(package / folder for folder in HEADERS), generated, package / OWN, sysconfig.get_path("include")]
    return [f"-I{folder}" for folder in folders]


def compile_object(
    source: Path, target: Path, generated: Path, cc: str = "gcc", package: Path = PACKAGE, more: Sequence[str] = ()
) -> Path:
    run([cc, *CFLAGS, *more, "-DLSF_SHIM", *includes(generated, package), "-c", str(source),
         "-o", str(target)])
    return target


def link(objects: list[Path], image: Path, work: Path, cc: str = "gcc", package: Path = PACKAGE) -> None:
    script = work / "shim.lds"
    headers = [f"-I{package / folder}" for folder in HEADERS]
    run([cc, "-E", "-P", "-x", "c", *headers, str(package / SCRIPT), "-o", str(script)])
    command = ["ld", "-static", "-nostdlib", "--gc-sections", "--build-id=none", "-z", "noexecstack", "-z",
               "max-page-size=4096", "--no-warn-rwx-segments", "-T", str(script), "-o", str(image), *map(str, objects)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reasons = check_image.explain(objects)
        raise BuildError("the shim image does not link:\n" + ("\n".join(reasons) or done.stderr.strip()))


def build(
    c_file: Path,
    generated: Path,
    image: Path,
    work: Path,
    cc: str = "gcc",
    package: Path = PACKAGE,
    personality: Sequence[Path] = FREEBSD,
    more: Sequence[str] = (),
) -> None:
    """Compile and link the image, then check it. generated: the folder of the personality's tables and guest.h; personality:
    its further sources; more: flags of the compiler. Raises BuildError."""
    work.mkdir(parents=True, exist_ok=True)
    sources = [c_file, *(package / source for source in MACHINE), *(package / source for source in personality), *sorted(generated.glob("*.c"))]
    objects = [compile_object(source, work / (source.stem + ".o"), generated, cc, package, more) for source in sources]
    debug = image.with_suffix(".debug")
    link(objects, debug, work, cc, package)
    problems = check_image.check(debug)
    if problems:
        raise BuildError("the shim image breaks its rules:\n" + "\n".join(problems))
    # Beside it, and then renamed: guests may run from the image that is there.
    stripped = image.with_suffix(".new")
    run(["strip", "-o", str(stripped), str(debug)])
    stripped.chmod(0o755)
    stripped.replace(image)


def translate(pyx: Path, target: Path, include: Path, lines: bool = False) -> Path:
    """Run Cython alone on the unit, warnings being errors. lines: the C names the lines that it was made of. Raises BuildError with
    Cython's own words."""
    directives = [word for key, value in DIRECTIVES.items() if key != "language_level" for word in ("-X", f"{key}={value}")]
    more = ["--line-directives"] if lines else []
    run([sys.executable, "-m", "cython", "-3", "-Werror", *more, *directives, f"-I{include}", str(pyx), "-o", str(target)])
    return target


def build_demo(source: Path, target: Path, cc: str = "gcc") -> None:
    """Compile the demo twice with the host's compiler: as a FreeBSD program (branded by its note) and as a Linux one."""
    common = [cc, "-O2", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-pie", "-no-pie", "-nostdlib",
              "-static", "-fcf-protection=none", "-fasynchronous-unwind-tables", "-Wl,--eh-frame-hdr", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,max-page-size=4096",
              str(source)]
    run([*common, "-o", str(target / "demo.elf")])
    run([*common, "-DDEMO_LINUX", "-o", str(target / "demo.linux")])
    image = bytearray((target / "demo.elf").read_bytes())
    image[7] = 9  # EI_OSABI: ELFOSABI_FREEBSD
    (target / "demo.elf").write_bytes(image)
