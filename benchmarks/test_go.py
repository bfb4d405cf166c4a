"""What Go programs do, the FreeBSD build under LSF beside the Linux build of the same file: CPU time, which waiting is not in."""

import harness
import pytest
from conftest import HERE, printed_nanoseconds

pytestmark = pytest.mark.go

#: loop: how many rounds take about a tenth of a second
LOOPS = {
    "time.Now": 1_000_000,
    "read": 200_000,
    "os.Stat": 60_000,
    "files": 3_000,
    "channel": 300_000,
    "timers": 20_000,
    "http-keep-alive": 3_000,
    "http-new-connections": 1_000,
}
#: Linux answers the time by its vDSO, and channels are the scheduler's own: no measure of what a call costs.
NO_LINUX_CALL = ("time.Now", "channel")


@pytest.mark.parametrize("loop", LOOPS)
def test_made(side_by_side, engine, engine_command, loop):
    guest = [*engine_command(engine), str(harness.build_go(HERE / "go")), loop, str(LOOPS[loop])]
    native = [str(harness.build_go(HERE / "go", system="linux")), loop, str(LOOPS[loop])]
    side_by_side(lambda: printed_nanoseconds(guest), lambda: printed_nanoseconds(native), LOOPS[loop], per="round, CPU time",
                 native_is="the same file built for Linux", linux_calls=loop not in NO_LINUX_CALL, engine=engine)  # fmt: skip
