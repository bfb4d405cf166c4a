"""Test binaries of Go's own standard library for FreeBSD: a quick part.

A test may fail only if it is on the list in known_gaps.py, or fails as well when it is built for Linux and run here.
"""

from __future__ import annotations

import os
import re
import subprocess

import harness
import pytest
from known_gaps import GO_STANDARD_LIBRARY

QUICK = ["bufio", "bytes", "context", "io", "io/fs", "os/signal", "path/filepath", "sort", "strings", "sync", "sync/atomic",
         "time"]  # fmt: skip
ON_PTRACE = ["context", "sync", "io"]
FAILED = re.compile(r"^--- FAIL: (\w+)", re.MULTILINE)
PASSED = re.compile(r"^(?:--- PASS: |ok|PASS)", re.MULTILINE)


def failures(output: str) -> set[str]:
    """The tests that failed, subtests counted to theirs."""
    return set(FAILED.findall(output))


def natively(package: str, tests: set[str]) -> set[str]:
    """Which of these tests fail when they are built for Linux and run on this machine."""
    program = harness.build_go_test(package, "linux")
    command = [str(program), "-test.short", "-test.run", f"^({'|'.join(sorted(tests))})$"]
    done = subprocess.run(command, cwd=harness.go_root() / "src" / package, capture_output=True, text=True, timeout=300,
                          check=False)  # fmt: skip
    return failures(done.stdout)


@pytest.mark.engines("sud", "ptrace")
@pytest.mark.parametrize("package", QUICK)
def test_package(lsf, package):
    if lsf.mode == "ptrace" and package not in ON_PTRACE:
        pytest.skip("runs on the sud engine; the ptrace engine has a smaller part")
    program = harness.build_go_test(package)
    source = harness.go_root() / "src" / package
    result = lsf(program, "-test.short", "-test.v", "-test.timeout=4m", cwd=source, timeout=280,
                 env={"GOROOT": str(harness.go_root()), "TMPDIR": str(lsf.cwd), "USER": os.environ.get("USER", "root")})  # fmt: skip
    known = GO_STANDARD_LIBRARY.get(package, {})
    failed = failures(result.stdout)
    new = failed - known.keys()
    if new:
        new -= natively(package, new)
    lines = [line for line in result.stdout.splitlines() if not line.startswith(("=== ", "--- PASS", "--- SKIP", "    --- PASS"))]
    if new:
        pytest.fail(f"{package}: {', '.join(sorted(new))}\n" + "\n".join(lines[-80:]) + result.stderr[-3000:], pytrace=False)
    if result.returncode not in ((0, 1) if failed else (0,)):
        pytest.fail("\n".join(lines[-80:]) + result.explain(), pytrace=False)
    assert PASSED.search(result.stdout), result.explain()
    assert not known.keys() - failed, f"these pass now, take them off the list: {sorted(known.keys() - failed)}"
