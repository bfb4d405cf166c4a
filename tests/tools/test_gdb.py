"""The gdb script: attaches to a running FreeBSD program and knows its symbols."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import harness
import pytest

import lsf
from lsf.demo import PROGRAM

SCRIPT = Path(lsf.__file__).resolve().parent / "gdb" / "lsf.py"


def test_gdb_knows_the_programs_symbols():
    if shutil.which("gdb") is None:
        harness.not_covered("gdb", "it is not installed")
    if harness.engine_missing("sud") or not PROGRAM.is_file():
        harness.not_covered("gdb", "no engine, or the package is not built")
    with lsf.Popen([PROGRAM, "time", "2000000000"]) as program:
        try:
            while Path(f"/proc/{program.pid}/comm").read_text() != "demo.elf\n":
                time.sleep(0.01)
            done = subprocess.run(
                ["gdb", "-nx", "-batch", "-p", str(program.pid), "-x", str(SCRIPT), "-ex", "info signals SIGSYS",
                 "-ex", "info address _start", "-ex", "info symbol _start", "-ex", "detach"],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            if "ptrace: Operation not permitted" in done.stderr:
                harness.not_covered("gdb", "this machine does not let it attach")
            assert program.poll() is None, "the program did not survive gdb"
        finally:
            program.kill()
    assert "demo.elf at 0x" in done.stdout, done.stdout + done.stderr
    assert "_start" in done.stdout.partition("demo.elf at")[2]
    assert [line.split()[1:4] for line in done.stdout.splitlines() if line.startswith("SIGSYS")] == [
        ["No", "No", "Yes"]
    ]


@pytest.mark.parametrize(
    ("head", "offset"),
    [(b"\x7fELF\2\1\1\x09" + bytes(8) + b"\3\0\x3e\0", 0x8000), (b"\x7fELF\2\1\1\x09" + bytes(8) + b"\2\0\x3e\0", 0),
     (b"#!/bin/sh\n", None), (b"\x7fELF", None)],
)  # fmt: skip
def test_load_offsets(monkeypatch, head, offset):
    import importlib.util
    import sys
    import types

    class Inferior:
        pid = 0

    stand_in = types.SimpleNamespace(Command=type("Command", (), {"__init__": lambda self, *a: None}), COMMAND_FILES=0,
                                     GdbError=Exception, execute=lambda *a, **k: "", selected_inferior=Inferior)  # fmt: skip
    monkeypatch.setitem(sys.modules, "gdb", stand_in)
    spec = importlib.util.spec_from_file_location("lsf_gdb_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.load_offset(head, 0x8000) == offset
    maps = ("200000-201000 r--p 00000000 08:01 5 /a b\n201000-202000 r-xp 00001000 08:01 5 /a b\n"
            "6ffff0000000-6ffff0010000 r-xp 00000000 08:01 6 /shim.elf\n7000-8000 rw-p 00000000 00:00 0 [heap]\n")  # fmt: skip
    assert script.mapped_files(maps) == [("/a b", 0x200000)]
