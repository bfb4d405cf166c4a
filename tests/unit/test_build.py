"""The rules of the shim are enforced by its build: each broken rule fails, and names what broke it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("Cython", reason="the build checks need Cython, which the installed package does not")

import lsf
from lsf._build import check_image, shim

SOURCE = Path(__file__).resolve().parents[2] / "lsf"


@pytest.fixture
def package(tmp_path):
    """A copy of the sources that a test may spoil."""
    target = tmp_path / "lsf"
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("*.so", "*.elf", "*.debug", "__pycache__", "_shim.c"))
    # The copy's own generator, which reads the copy's tables and structs.
    generate = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from lsf._build import generate; "
        f"generate.generate({str(target / 'generated')!r})",
    ]
    subprocess.run(generate, check=True, timeout=60)
    return target


def plant(package: Path, text: str, file: str = "freebsd/kernel/process/syscall.pxi") -> None:
    path = package / file
    path.write_text(path.read_text() + text)


def plant_in(package: Path, function: str, line: str, file: str = "freebsd/kernel/process/syscall.pxi") -> None:
    """Put a line at the end of a handler's docstring, as its first statement."""
    path = package / file
    text = path.read_text()
    spoiled = re.sub(rf'(sys_{function}\(.*?\n    """.*?"""\n)', rf"\1    {line}\n", text, count=1, flags=re.S)
    assert spoiled != text
    path.write_text(spoiled)


def build(package: Path) -> Path:
    work = package.parent / "work"
    work.mkdir()
    c_file = shim.translate(package / "_shim.pyx", work / "_shim.c", package.parent)
    image = work / "shim.elf"
    # What the rules look at is there without optimisation, too, in a third of the time.
    shim.build(c_file, package / "generated", image, work, package=package, more=("-O0",))
    return image


def test_the_built_image_keeps_its_rules():
    image = Path(lsf.__file__).parent / "shim.elf"
    assert check_image.check(image) == []


def test_what_a_fork_and_an_exit_run_lies_at_one_page_fault():
    """Each 64 KiB of the image that the child of a fork comes to is a page fault, 2 % of a fork."""
    elffile = pytest.importorskip("elftools.elf.elffile")
    debug = Path(lsf.__file__).parent / "shim.debug"
    if not debug.exists():
        pytest.skip("an installed image has no symbols beside it")
    with debug.open("rb") as file:
        symbols = list(elffile.ELFFile(file).get_section_by_name(".symtab").iter_symbols())
    ends = {symbol.name.split(".")[0].removeprefix("__pyx_f_3lsf_5_shim_"): symbol["st_value"] + symbol["st_size"]
            for symbol in symbols if ".cold" not in symbol.name}  # fmt: skip
    hot = ["on_signal", "deliver", "queued_arrived", "set_linux_mask", "sys_fork", "fork_with", "sys_exit", "umtx_thread_exit",
           "pipes_leave"]  # fmt: skip
    late = {name: hex(ends[name]) for name in hot if name in ends and ends[name] > check_image.WINDOW_BASE + (64 << 10)}
    assert {"fork_with", "sys_exit", "on_signal"} <= ends.keys()
    assert not late


def test_what_the_image_may_not_have_fails_and_names_the_function(package):
    """A call of libc, a variable of the module, a Python object: one build, since each takes half a minute."""
    plant_in(package, "nosys", 'puts(b"hello")')
    plant(package, '\ncdef extern from "<stdio.h>" nogil:\n    int puts(const char *text)\n')
    plant(package, "\ncdef long planted_counter = 5\n")
    plant_in(package, "syscall", "global planted_counter; planted_counter += 1")
    plant(package, "\ncdef long planted(long n) noexcept:\n    return len(str(n))\n")
    plant_in(package, "abort2", "with gil: planted(3)", "freebsd/kernel/process/proc.pxi")
    with pytest.raises(shim.BuildError) as failed:
        build(package)
    said = str(failed.value)
    assert re.search(r"sys_nosys.* uses puts", said)
    assert re.search(r"sys_syscall.* variable .*planted_counter", said)
    assert re.search(r"(sys_abort2|planted).* uses Py", said)


def test_a_missing_noexcept_is_an_error_with_file_and_line(package):
    plant(package, "\ncdef long planted(long n) nogil:\n    return n\n")
    with pytest.raises(shim.BuildError, match=r"syscall\.pxi:\d+:\d+"):
        build(package)


SETUP = SOURCE.parent / "setup.py"
RUN_SETUP = "import runpy, sys, sysconfig; {0}; sys.argv = ['setup.py', '-q', 'build_ext', '-b', {1!r}, '-t', {1!r}]; runpy.run_path({2!r}, run_name='__main__')"


def setup_says(tmp_path, before: str, env: dict[str, str]) -> str:
    code = RUN_SETUP.format(before, str(tmp_path), str(SETUP))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_a_missing_compiler_is_one_clear_sentence(tmp_path):
    """The last line names what is missing and how to get it."""
    assert setup_says(tmp_path, "pass", {"PATH": str(tmp_path)}) == (
        "LSF cannot be built: there is no C compiler; install gcc (Debian: apt install gcc libc6-dev)."
    )


def test_missing_headers_are_one_clear_sentence(tmp_path):
    before = "sysconfig.get_path = lambda *a, **k: '/nonexistent'"
    last = setup_says(tmp_path, before, dict(os.environ))
    assert last.startswith("LSF cannot be built: Python's headers are missing (/nonexistent/Python.h); install them")
