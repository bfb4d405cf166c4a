"""The shim's own descriptors stay out of a program's reach while it is counted and shown, too."""

from __future__ import annotations

import json

import harness
import pytest


@pytest.mark.engines("sud-cli", "trap-cli", "ptrace")
@pytest.mark.parametrize("case", ["every_call", "numbers_are_free"])
@pytest.mark.parametrize("observed", ["stats", "truss", "both"])
def test_observed(lsf, tmp_path, case, observed):
    counters, calls = tmp_path / "stats.json", tmp_path / "calls"
    env = {}
    if observed != "truss":
        env["LSF_STATS"] = f"json:{counters}"
    if observed != "stats":
        env["LSF_TRUSS"] = str(calls)
    image = harness.shim_image()
    before = image.stat()
    lsf(harness.compile_guest("hidden"), case, env=env, timeout=120).check(stdout=f"ok hidden.{case}\n")
    assert (image.stat().st_mode, image.stat().st_size) == (before.st_mode, before.st_size)
    if observed != "truss":
        summary = json.loads(counters.read_text())
        assert summary["syscalls"]["kqueue"]["calls"] == 1
        assert summary["syscalls"]["execve"]["calls"] == 2
    if observed != "stats":
        text = calls.read_text()
        assert text.count("kqueue()") == 1
        assert "exit(0)" in text[-200:]
