"""The fast lane changes nothing but the time: what test_guests.py finds with patched sites holds with unpatched ones."""

from __future__ import annotations

import harness
import pytest
from known_gaps import KNOWN_GAPS

#: Guests with many calls, signals and threads. That sites are patched at all is patching_code.trampoline_is_kept's to say.
GUESTS = ("files_open", "patching", "patching_race", "registers", "signals", "threads")


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.engines("sud", "trap")
def test_unpatched(lsf, guest, tmp_path):
    program = harness.compile_guest(guest)
    for case in harness.guest_cases(harness.GUESTS / f"{guest}.c"):
        if f"{guest}.{case}" in KNOWN_GAPS or f"{guest}.{case}@{lsf.engine}" in KNOWN_GAPS:
            continue
        folder = tmp_path / case
        folder.mkdir()
        result = lsf(program, case, env={"LSF_PATCH": "0"}, cwd=folder, timeout=120)
        last = result.stdout.splitlines()[-1:]
        if last != [f"ok {guest}.{case}"] and not (last and last[0].startswith(f"skip {guest}: ")):
            pytest.fail(result.explain(), pytrace=False)
