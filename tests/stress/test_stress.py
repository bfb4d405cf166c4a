"""Much at once, and for long: timers, forks, threads, signals, kills. Nothing hangs, is lost, or is left behind.

The guest counts its own threads, descriptors, mappings and areas before and after (tests/guests/stress); here the processes
are counted. LSF_TEST_STRESS=full runs the long one, which takes minutes.
"""

from __future__ import annotations

import time
import uuid

import harness
import pytest

pytestmark = pytest.mark.alone  # it takes all the machine, and counts what is left


#: How much of each case, twice: in the quick run and in the full one. `forks`: children; `alive`: threads at once.
AMOUNTS = {
    "timers": (15, 250),
    "forks": (250, 5000),
    "token": (15, 200),
    "alive": (300, 2000),
    "signals": (1000, 15000),
    "kills": (10, 300),
}


def processes_with(mark: str) -> list[int]:
    """Processes that have this text in their environment."""
    return [int(process.name) for process, environment in harness.processes("environ") if mark.encode() in environment]


@pytest.mark.parametrize("case", AMOUNTS)
def test_stress(lsf, case):
    program = harness.compile_guest(harness.GUESTS / "stress/stress.c", name="stress")
    mark = f"LSF_STRESS_MARK={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    result = lsf(
        program,
        f"@{case}",
        str(AMOUNTS[case][harness.STRESS]),
        env={name: value},
        timeout=1200 if harness.STRESS else 180,
    )
    result.check(f"ok @{case}\n")
    until = time.monotonic() + 30
    while (left := processes_with(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left
