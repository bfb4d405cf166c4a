"""`lsfctl demo` and the FreeBSD program that it runs."""

from __future__ import annotations

import re

import pytest

from lsf.ctl import demo, lsfctl

#: What each line of the program must say.
LINES = (
    r"  system      FreeBSD \d+\.\d+-RELEASE amd64 on \S+",
    r"  directory   / holds( \S+)+",
    r'  file        wrote and read back "round trip"',
    r"  process     a forked child exited with 7",
    r"  thread      a thread woke the main one through a umtx",
    r"  signal      a handler ran for SIGUSR1 \(30 on FreeBSD\) and returned",
)


@pytest.mark.engines("sud", "trap", "ptrace", "sud-cli")
def test_program(lsf):
    lines = lsf(demo.PROGRAM).check().stdout.splitlines()
    assert len(lines) == len(LINES)
    for line, pattern in zip(lines, LINES, strict=True):
        assert re.fullmatch(pattern, line), line


def test_command(capfd):
    assert lsfctl.main(["demo"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [re.fullmatch(pattern, line) is not None for pattern, line in zip(LINES, lines[1:7], strict=True)] == [
        True
    ] * 6
    times = {line.split()[0]: int(line.split()[1]) for line in lines[8:-1]}
    assert list(times) == ["Linux", "sud", "trap", "ptrace"]
    assert all(0 < time < 1_000_000 for time in times.values())
    assert lines[-1] == "This machine is fit for LSF: engines sud, trap, ptrace."


def test_a_machine_that_is_not_fit(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "PROGRAM", tmp_path / "nothing")
    assert lsfctl.main(["demo"]) == 1
    out = capfd.readouterr().out
    assert out.count("not available here: ") == 3
    assert out.endswith("This machine is not fit for LSF: no engine runs here.\n")
