"""Random syscalls with random arguments, and contexts, threads and umtx objects that are almost right: nothing that a
program asks may be a bug of the shim's."""

from __future__ import annotations

import shutil
import subprocess

import harness
import pytest

from lsf.freebsd.tables import table


def numbers() -> str:
    """All that LSF has, and a few that it has not."""
    there = {row.number for row in table.load() if row.state in ("full", "partial")}
    return ",".join(map(str, sorted(there | {0, 198, 599, 1000})))


@pytest.mark.engines("sud", "trap")
@pytest.mark.parametrize("seed", [1, 2, 3] if harness.STRESS else [1])
def test_random_syscalls(lsf, seed):
    program = harness.compile_guest(harness.GUESTS / "fuzz/fuzz.c", name="fuzz")
    unshare = harness.unshare_command("random syscalls", ": they run as nobody in a namespace")
    local = shutil.copy(program, lsf.cwd / "fuzz")
    # Nobody must be able to come to the program and the image.
    image = shutil.copy(lsf.image(), lsf.cwd / "shim.elf")
    command = [unshare, "--pid", "--ipc", "--fork", "--kill-child", image, "--", local]
    command += ["@run", str(seed), "120", numbers()]
    done = subprocess.run(command, cwd=lsf.cwd, env=lsf.environment(None), capture_output=True, timeout=200, check=False,
                          stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    out, error = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    bugs = [line for line in error.splitlines() if "bug" in line]
    lines = [line for line in out.splitlines() if line.startswith("batch")]
    assert not bugs, "\n".join(bugs + lines)
    assert not lines, "\n".join(lines)
    assert done.returncode == 0, out[-2000:] + error[-2000:]


@pytest.mark.parametrize("seed", [1, 2] if harness.STRESS else [1])
@pytest.mark.parametrize("kind", ["sigreturn", "thr_new", "umtx"])
def test_structured(lsf, kind, seed):
    """200 batches, or what 4 seconds are enough for. The program may die of what it asks for, in its batch."""
    program = harness.compile_guest(harness.GUESTS / "fuzz/structured.c", name="structured")
    result = lsf(program, "@run", kind, str(seed), "200", "4000", timeout=120)
    lines = result.stdout.splitlines()
    assert "bug" not in result.stderr, result.explain()
    assert not [line for line in lines if line.startswith("batch")], result.explain()
    assert result.returncode == 0, result.explain()
    assert " batches: ended " in lines[-1], result.explain()
