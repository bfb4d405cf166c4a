"""Test binaries of Go's own standard library for FreeBSD, run in the folder of their package.

The tests that fail must be those of go_std_gaps.py: one more is an error, one less as well (it is then taken off the
list). A test that fails as well when it is built for Linux and run on this machine says nothing about LSF.

LSF_TEST_GO_STD=full runs all packages and not only the quick ones, on both engines; it takes some ten minutes.
"""

from __future__ import annotations

import os
import re
import subprocess

import harness
import pytest
from go_std_gaps import GAPS, SOMETIMES

QUICK = ("bufio", "context", "io", "os", "os/exec", "os/signal", "sync", "sync/atomic", "time")
SLOW = ("archive/tar", "archive/zip", "bytes", "compress/gzip", "crypto/ecdsa", "crypto/rand", "crypto/sha256", "crypto/tls",
        "encoding/gob", "encoding/json", "flag", "fmt", "internal/poll", "internal/routebsd", "internal/runtime/atomic",
        "internal/sync", "internal/synctest", "internal/syscall/unix", "io/fs", "log", "log/slog", "log/syslog", "math/big",
        "mime/multipart", "net", "net/http", "net/netip", "net/rpc", "net/smtp", "os/user", "path/filepath", "reflect",
        "regexp", "runtime", "runtime/debug", "runtime/metrics", "runtime/pprof", "runtime/trace", "sort", "strconv",
        "strings", "syscall", "testing", "testing/fstest", "testing/synctest", "text/template", "unique", "weak")  # fmt: skip
ON_PTRACE = ("context", "sync")
FULL = os.environ.get("LSF_TEST_GO_STD", "") == "full"
TIMEOUT = 280 if FULL else 120
#: Left out of the quick part: they take 10 to 20 seconds each, and what they call others call too.
LONG = {
    "os": "^TestRootMulti(Link|Rename)$",
    "sync/atomic": "^TestValueCompareAndSwapConcurrent$",
    "time": "^Test(LongAdjustTimers|ResetResult|StopResult)$",
}
ENDED = re.compile(r"^--- (FAIL|PASS|SKIP): (\S+)", re.MULTILINE)
STARTED = re.compile(r"^=== RUN   ([^/\s]+)$", re.MULTILINE)


def outcomes(output: str) -> dict[str, str]:
    """How each test ended, subtests counted to theirs; one that did not end is CRASHED."""
    ended = {name: how for how, name in ENDED.findall(output)}
    return dict.fromkeys(STARTED.findall(output), "CRASHED") | ended


def failures(output: str) -> set[str]:
    """The tests that failed, or in which the program ended."""
    return {name for name, how in outcomes(output).items() if how in ("FAIL", "CRASHED")}


def arguments(package: str) -> list[str]:
    """What the test binary gets."""
    leave = [f"-test.skip={LONG[package]}"] if package in LONG and not FULL else []
    return ["-test.short", "-test.v", f"-test.timeout={TIMEOUT - 20}s", *leave]


def environment(scratch) -> dict[str, str]:
    """What the tests ask the environment for. GO_GCFLAGS makes those skip that build programs with the go command."""
    return {"GOROOT": str(harness.go_root()), "TMPDIR": str(scratch), "USER": os.environ.get("USER", "root"),
            "GO_GCFLAGS": "-N"}  # fmt: skip


def natively(package: str, tests: set[str], scratch) -> set[str]:
    """Which of these tests fail when they are built for Linux and run on this machine."""
    program = harness.build_go_test(package, "linux")
    command = [str(program), "-test.v", "-test.short", "-test.run", f"^({'|'.join(sorted(tests))})$"]
    done = subprocess.run(command, cwd=harness.go_root() / "src" / package, capture_output=True, text=True, check=False,
                          timeout=TIMEOUT, errors="replace", env=os.environ | environment(scratch))  # fmt: skip
    return failures(done.stdout)


def tail(output: str) -> str:
    """The end of the output without the tests that passed."""
    passed = ("=== ", "--- PASS", "--- SKIP", "    --- PASS", "    --- SKIP")
    return "\n".join([line for line in output.splitlines() if not line.startswith(passed)][-80:])


@pytest.mark.engines("sud", "ptrace")
@pytest.mark.parametrize("package", [*QUICK, *SLOW] if FULL else QUICK)
def test_package(lsf, package):
    if lsf.mode == "ptrace" and package not in ON_PTRACE and not FULL:
        pytest.skip(f"the ptrace engine runs {' and '.join(ON_PTRACE)}")
    program = harness.build_go_test(package)
    source = harness.go_root() / "src" / package
    result = lsf(program, *arguments(package), cwd=source, timeout=TIMEOUT, env=environment(lsf.cwd))
    assert outcomes(result.stdout), result.explain()
    failed = failures(result.stdout)
    known = GAPS.get(package, {})
    new = failed - known.keys()
    if new:
        new -= natively(package, new, lsf.cwd)
    if new:
        pytest.fail(
            f"{package}: {', '.join(sorted(new))}\n{tail(result.stdout)}\n{result.stderr[-3000:]}", pytrace=False
        )
    if result.returncode != (1 if failed else 0):
        pytest.fail(f"{package}: a wrong end\n{tail(result.stdout)}\n{result.explain()}", pytrace=False)
    work = {name for name, reason in known.items() if not reason.startswith(SOMETIMES)} - failed
    assert not work, f"{package}: these work now, take them off the list in go_std_gaps.py: {sorted(work)}"
