"""Start-up: `lsf PROGRAM` beside a bare python3, and the shim alone beside native exec."""
import sys

import pytest
from conftest import wall_nanoseconds

pytestmark = pytest.mark.start


@pytest.mark.parametrize("way", ["lsf", "shim"])
def test_start(side_by_side, loops, shim, way):
    guest = [loops("calls", "guest"), "exit"]
    if way == "lsf":
        command, bare, twin = [sys.executable, "-m", "lsf.cli", *guest], [sys.executable, "-c", "pass"], "python3 -c pass"
    else:
        command, bare, twin = [shim, *guest], [loops("calls", "native"), "exit"], "the same program"
    side_by_side(lambda: wall_nanoseconds(command), lambda: wall_nanoseconds(bare), 1, rounds=25, per="start",
                 native_is=twin, way=way)  # fmt: skip
