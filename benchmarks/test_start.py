"""Start-up: `lsf PROGRAM` beside a bare python3, and the shim alone beside native exec."""
import statistics
import subprocess
import sys
import time

import pytest


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


@pytest.mark.parametrize("way", ["lsf", "shim"])
def test_start(benchmark, loops, shim, way):
    guest = [str(loops["guest"]), "getppid", "1"]
    if way == "lsf":
        command, bare = [sys.executable, "-m", "lsf.cli", *guest], [sys.executable, "-c", "pass"]
    else:
        command, bare = [shim, *guest], [str(loops["native"]), "getppid", "1"]
    base = []
    benchmark.pedantic(seconds, args=(command,), setup=lambda: base.append(seconds(bare)), rounds=15, iterations=1)
    here, there = statistics.median(benchmark.stats.stats.data), statistics.median(base)
    benchmark.extra_info.update(way=way, ms=round(here * 1e3, 2), bare_ms=round(there * 1e3, 2),
                                over_ms=round((here - there) * 1e3, 2))
