"""Syscalls per second for each lane and engine, beside the same loop on Linux."""
import pytest

#: loop: the lane it takes under LSF
LANES = {
    "getppid": "pass",
    "read": "pass",
    "lseek": "pass",
    "fstat": "translate",
    "stat": "translate",
    "open_close": "translate",
    "sigprocmask": "translate",
    "clock_gettime": "translate, vDSO",
    "refused": "refuse",
}
#: How many calls take some tenths of a second on each engine.
COUNTS = {"sud": 500_000, "trap": 500_000, "ptrace": 500_000}
UNPATCHED = {"sud": 100_000, "trap": 50_000, "ptrace": 5_000}


@pytest.mark.parametrize("loop", LANES)
@pytest.mark.parametrize("engine", COUNTS)
def test_syscall(compare, benchmark, engine, loop):
    benchmark.extra_info["lane"] = LANES[loop]
    compare(engine, loop, COUNTS[engine], 500_000)


@pytest.mark.parametrize("engine", UNPATCHED)
def test_unpatched(compare, engine):
    """Every call traps: what a site costs that cannot be patched, or was met only once."""
    compare(engine, "getppid", UNPATCHED[engine], 500_000, patch=False)
