"""The fast lane changes nothing but the time: what test_guests.py finds with patched sites holds with unpatched ones."""

from __future__ import annotations

import harness
import pytest
from known_gaps import KNOWN_GAPS

#: Guests with many calls, signals and threads. That sites are patched at all is patching_code.trampoline_is_kept's to say.
GUESTS = (
    "files_open",
    "patching",
    "patching_near",
    "patching_proven",
    "patching_race",
    "registers",
    "signals",
    "threads",
)


#: So that the image tells where its functions begin.
UNWIND_TABLES = ("-fasynchronous-unwind-tables", "-Wl,--eh-frame-hdr")


def check_cases(lsf, program, guest, tmp_path, env=None):
    for case in harness.guest_cases(harness.guest_source(guest)):
        if f"{guest}.{case}" in KNOWN_GAPS or f"{guest}.{case}@{lsf.engine}" in KNOWN_GAPS:
            continue
        folder = tmp_path / case
        folder.mkdir()
        result = lsf(program, case, env=env, cwd=folder, timeout=120)
        last = result.stdout.splitlines()[-1:]
        if last != [f"ok {guest}.{case}"] and not (last and last[0].startswith(f"skip {guest}: ")):
            pytest.fail(result.explain(), pytrace=False)


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.engines("sud", "trap")
def test_unpatched(lsf, guest, tmp_path):
    check_cases(lsf, harness.compile_guest(guest), guest, tmp_path, {"LSF_PATCH": "0"})


@pytest.mark.parametrize(
    "guest",
    (
        "patching",
        "patching_code",
        "patching_near",
        "patching_family",
        "patching_proven",
        "patching_race",
        "registers",
        "signal_faults",
        "signals",
    ),
)
def test_with_unwind_tables(lsf, guest, tmp_path):
    """Jumps stand before the syscalls wherever an instruction there is long enough, and displace it."""
    check_cases(lsf, harness.compile_guest(guest, UNWIND_TABLES), guest, tmp_path)


@pytest.mark.parametrize(
    "guest", ("patching", "patching_code", "patching_near", "patching_proven", "patching_race", "signals")
)
def test_stripped(lsf, guest, tmp_path):
    """Nothing tells where functions begin: only jumps in the syscalls' own places."""
    check_cases(lsf, harness.compile_guest(guest, ("-Wl,--strip-all",)), guest, tmp_path)
