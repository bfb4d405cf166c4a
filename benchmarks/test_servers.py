"""A server of many connections, by kqueue under LSF beside the same one by epoll: CPU time of the server alone."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers

#: load: (connections at a time, requests that take some tenths of a second). Under ptrace each call costs two switches.
LOADS = {"kept": (200, 60_000), "new": (50, 12_000)}
SHORT = 10


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    """What asks the servers, compiled."""
    program = tmp_path_factory.mktemp("load") / "load"
    source = Path(__file__).with_name("load.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    return str(program)


def served(server: list[str], load: str, connections: int, requests: int, kind: str) -> int:
    """Start a server and ask it: the nanoseconds that it says it needed for `requests`."""
    with subprocess.Popen([*server, "echo", str(requests), "1"], stdout=subprocess.PIPE, text=True) as running:
        try:
            port = running.stdout.readline().strip()
            # The server answers a tenth more, to begin with.
            asked = requests // 10 + requests
            subprocess.run([load, port, str(connections), str(asked), kind], check=True, timeout=120)
            rest, _ = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 0
    return int(rest)


@pytest.mark.parametrize("kind", LOADS)
def test_echo(side_by_side, loops, engine, engine_command, load, kind):
    connections, requests = LOADS[kind]
    if engine == "ptrace":
        requests //= SHORT
    guest = [*engine_command(engine), loops("servers", "guest")]
    native = [loops("servers", "native")]
    asked = (load, connections, requests, kind)
    side_by_side(lambda: served(guest, *asked), lambda: served(native, *asked), requests,
                 per="request, CPU time of the server", native_is="the same server with epoll", engine=engine)  # fmt: skip
