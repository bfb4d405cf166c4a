"""Start-up: `lsf PROGRAM` beside a bare python3, and the shim alone beside native exec."""

import sys

import pytest
from conftest import printed_nanoseconds

pytestmark = pytest.mark.start

#: How often each is started in a round; the median counts.
STARTS = {"lsf": 9, "shim": 150}


@pytest.mark.parametrize("way", STARTS)
def test_start(side_by_side, loops, shim, way):
    guest = [loops("calls", "guest"), "exit"]
    if way == "lsf":
        command, bare, twin = (
            [sys.executable, "-m", "lsf.start.cli", *guest],
            [sys.executable, "-c", "pass"],
            "python3 -c pass",
        )
    else:
        command, bare, twin = [shim, *guest], [loops("calls", "native"), "exit"], "the same program"
    starter = [loops("processes", "native"), "fork_exec_wait", "1", str(STARTS[way])]
    side_by_side(lambda: printed_nanoseconds([*starter, *command]), lambda: printed_nanoseconds([*starter, *bare]), 1,
                 per="start", native_is=twin, way=way)  # fmt: skip
