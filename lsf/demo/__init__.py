"""A small FreeBSD program that LSF brings (demo.c), built as such and as its twin for Linux. `lsfctl demo` runs them."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
#: The FreeBSD program: without arguments it tries what LSF does; `time N` makes N calls and prints the nanoseconds of one.
PROGRAM = HERE / "demo.elf"
#: The same for Linux.
NATIVE = HERE / "demo.linux"
