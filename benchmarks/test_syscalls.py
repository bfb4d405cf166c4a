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
COUNTS = {"sud": 100_000, "trap": 50_000, "ptrace": 5_000}


@pytest.mark.parametrize("loop", LANES)
@pytest.mark.parametrize("engine", COUNTS)
def test_syscall(compare, benchmark, engine, loop):
    benchmark.extra_info["lane"] = LANES[loop]
    compare(engine, loop, COUNTS[engine], 500_000)
