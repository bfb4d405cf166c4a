"""Go programs built with GOOS=freebsd: static, with threads, timers, signals and a poller of their own."""

from __future__ import annotations

import time

import harness
import pytest

GO = harness.TESTS / "go"


@pytest.mark.engines("sud", "trap", "ptrace", "sud-cli")
def test_hello(lsf):
    program = harness.build_go(GO / "hello")
    lsf(program, "one", "two").check("hello from freebsd/amd64, 2 arguments\n")


def test_hello_many_times(lsf):
    """The start of the runtime has races of its own: threads that begin while signals and timers are set up."""
    program = harness.build_go(GO / "hello")
    for _ in range(20 if lsf.mode == "sud" else 5):
        lsf(program).check("hello from freebsd/amd64, 0 arguments\n")


def test_work(lsf, tmp_path):
    program = harness.build_go(GO / "work")
    lines = tmp_path / "lines"
    lines.write_text("".join(f"line {(i * 7919) % 1000:04}\n" for i in range(1000)))
    today = {time.strftime("%Y-%m-%d", time.gmtime())}
    result = lsf(program, str(lines), env={"TMPDIR": str(tmp_path)}, timeout=60)
    today.add(time.strftime("%Y-%m-%d", time.gmtime()))
    result.check()
    date = next(line.split()[1] for line in result.stdout.splitlines() if line.startswith("time "))
    assert date in today
    assert result.stdout == (
        f"files ok\nsorted 1000 lines: line 0000 ... line 0999\ntime {date}\ngoroutines ok\npipes ok\n"
        "signals ok\nchildren ok\ndone\n"
    )
