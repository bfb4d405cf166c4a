"""The supervisor of the ptrace engine: on Linux programs, and on a stand-in for the shim (standin.c).

What guests do under it is tested where all guests are (test_guests.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import harness
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import Terminal, alive, command_name, kill_process, quoted, status_field, supervisor_of, wait_until

_trace = pytest.importorskip("lsf._trace", reason="the ptrace engine is not built")

pytestmark = pytest.mark.alone  # the supervisor pins by how often a guest calls

STANDIN = Path(__file__).with_name("standin.c")
STANDIN_FLAGS = (
    "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-mno-red-zone", "-nostdlib",
    "-static", "-no-pie", "-Wl,--section-start=.areas=0x6ffff0140000",
    "-Wl,--section-start=.window=0x6ffff0000000,-e,_start,-z,max-page-size=4096,--build-id=none",
)  # fmt: skip

#: Puts itself under a supervisor and becomes a program, as lsf.start.launch does.
STARTER = """
import os, signal, sys
from lsf import _trace
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
_trace.start(pin=sys.argv[1] == "pin")
_trace.install_filter()
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture(autouse=True)
def _needs_ptrace():
    reason = harness.engine_missing("ptrace")
    if reason:
        harness.not_covered("the supervisor of the ptrace engine", reason)


@pytest.fixture(scope="session")
def standin() -> Path:
    """The stand-in for the shim, with a guest in it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        harness.missing_tool("the stand-in for the shim", "no C compiler")
    command = [compiler, *STANDIN_FLAGS, str(STANDIN), "-o"]

    def build(out: Path) -> None:
        subprocess.run([*command, str(out)], check=True, timeout=60)

    return harness.cached_build("standin", [STANDIN.read_bytes(), *command], build)


def supervised(*command: object, pin: bool = True) -> list[str]:
    """The command line that runs a program under a supervisor."""
    return [sys.executable, "-c", STARTER, "pin" if pin else "-", *map(str, command)]


def environment() -> dict[str, str]:
    path = os.pathsep.join(p for p in (str(harness.PACKAGE_PARENT), os.environ.get("PYTHONPATH")) if p)
    return {**os.environ, "PYTHONPATH": path}


def run(*command: object, timeout: float = 60, pin: bool = True, **options) -> subprocess.CompletedProcess:
    return subprocess.run(supervised(*command, pin=pin), env=environment(), text=True, timeout=timeout, check=False,
                          capture_output=True, **options)  # fmt: skip


def start(*command: object, **options) -> subprocess.Popen:
    return subprocess.Popen(supervised(*command), env=environment(), text=True, stdout=subprocess.PIPE, **options)


def check(done: subprocess.CompletedProcess, stdout: str, status: int = 0) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (status, stdout, "")


# ---------------------------------------------------------------- the table of tracees

#: Few homes, many collisions: ids that differ by multiples of every size that the table takes here.
PIDS = st.builds(lambda low, high: low + 1 + 4096 * high, st.integers(0, 5), st.integers(0, 40))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), PIDS), min_size=20, max_size=400))
def test_table_is_a_set(operations):
    found, model = _trace.TraceeTable(), set()
    for adding, pid in operations:
        (found.add if adding else found.discard)(pid)
        (model.add if adding else model.discard)(pid)
        assert (pid in found) == adding
    assert len(found) == len(model)
    assert sorted(found) == sorted(model)
    assert all(pid in found for pid in model)


def test_table_of_thousands():
    found = _trace.TraceeTable()
    pids = range(300, 300 + 20000, 2)
    for pid in pids:
        found.add(pid)
    assert len(found) == len(pids)
    for pid in pids[: len(pids) // 2]:
        found.discard(pid)
    assert sorted(found) == list(pids[len(pids) // 2 :])
    assert all(pid in found for pid in pids[len(pids) // 2 :])


# ---------------------------------------------------------------- guests


@pytest.mark.parametrize("pin", [True, False], ids=["pinned", "unpinned"])
@pytest.mark.parametrize("case", ["registers", "loop 2000", "fork 100", "vdso", "set-cpus"])
def test_standin(standin, case, pin):
    check(run(standin, *case.split(), pin=pin), "ok\n")


def test_the_standin_needs_the_supervisor(standin):
    """The tests above prove nothing unless a syscall outside the window does something else without a supervisor."""
    assert subprocess.run([standin, "registers"], capture_output=True, timeout=10, check=False).returncode != 0


def test_guest_does_not_see_that_it_is_pinned(standin):
    cpus = len(os.sched_getaffinity(0))
    if cpus == 1:
        harness.not_covered("hiding the supervisor's CPU mask", "this machine has one CPU")
    assert run(standin, "cpus").returncode == cpus


def test_guest_is_pinned_while_it_calls(standin):
    """Else the test above tests nothing."""
    if len(os.sched_getaffinity(0)) == 1:
        harness.not_covered("pinning", "this machine has one CPU")
    process = start(standin, "loop", 100000000)
    try:
        wait_until(lambda: command_name(process.pid).startswith("standin"), "exec")
        time.sleep(0.3)
        assert os.sched_getaffinity(process.pid) == os.sched_getaffinity(supervisor_of(process.pid))
        assert len(os.sched_getaffinity(process.pid)) == 1
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_exec_from_guest_to_linux_and_back(standin):
    """A Linux program that a guest executes runs natively, and a guest that it executes is one again."""
    check(run(standin, "exec", "/bin/sh", "-c", f"echo native; exec {standin} registers"), "native\nok\n")


def test_one_call_is_one_stop(standin):
    """Per call, the supervisor waits, reads the registers, writes them and continues: once each."""
    calls = 20000
    process = start(standin, "loop", calls, stdin=subprocess.DEVNULL)
    pid = process.pid
    usage = 0

    def supervisor_switches() -> int:
        return int(status_field(supervisor_of(pid), "voluntary_ctxt_switches"))

    wait_until(lambda: command_name(pid).startswith("standin"), "exec")
    try:
        while process.poll() is None:
            usage = max(usage, supervisor_switches())
    except (FileNotFoundError, AssertionError):
        pass
    process.communicate(timeout=10)
    assert process.returncode == 0
    # The start of Python and the exec are some hundred stops more; the last reading may be early.
    assert usage < calls * 1.2


# ---------------------------------------------------------------- Linux programs


def test_status_and_output_are_the_programs():
    check(run("sh", "-c", "echo out; exit 5"), "out\n", status=5)


@pytest.mark.parametrize("name", ["TERM", "INT", "KILL", "SEGV", "PIPE"])
def test_death_by_signal_is_seen_by_the_parent(name):
    assert run("sh", "-c", f"ulimit -c 0; kill -{name} $$; sleep 5").returncode == -signal.Signals[f"SIG{name}"]


def test_handlers_run_once_per_signal():
    program = """
        import os, signal
        seen = []
        signal.signal(signal.SIGUSR1, lambda *a: seen.append(1))
        for _ in range(500):
            os.kill(os.getpid(), signal.SIGUSR1)
        print(len(seen))
    """
    check(run(sys.executable, "-c", textwrap.dedent(program)), "500\n")


def test_fork_storm():
    program = """
        import os
        statuses = []
        for batch in range(30):
            children = []
            for i in range(20):
                pid = os.fork()
                if pid == 0:
                    if i % 4 == 0 and os.fork() == 0:
                        os._exit(1)
                    os._exit(i)
                children.append(pid)
            statuses += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        print(statuses == list(range(20)) * 30)
    """
    check(run(sys.executable, "-c", textwrap.dedent(program), timeout=120), "True\n")


THREADS_C = r"""
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static pthread_barrier_t all;
static _Atomic long sum;
static void *thread(void *arg) {
    pthread_barrier_wait(&all);
    for (int i = 0; i < 5; i++) sum += syscall(SYS_gettid) > 0;
    return arg;
}
int main(int argc, char **argv) {
    int n = atoi(argv[argc - 1]), i;
    pthread_t *ids = calloc(n, sizeof *ids);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_barrier_init(&all, NULL, n);
    for (i = 0; i < n; i++)
        if (pthread_create(&ids[i], &attr, thread, NULL) != 0) { printf("thread %d failed\n", i); return 1; }
    for (i = 0; i < n; i++) pthread_join(ids[i], NULL);
    printf("%ld\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="session")
def threads_program(tmp_path_factory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        harness.missing_tool("the supervisor with many threads", "no C compiler")
    program = tmp_path_factory.mktemp("threads") / "threads"
    subprocess.run([compiler, "-O1", "-pthread", "-xc", "-", "-o", program], input=THREADS_C, text=True, check=True,
                   timeout=60)  # fmt: skip
    return program


@pytest.mark.parametrize("count", [200, 2000])
def test_many_threads(threads_program, count):
    """All alive at the same time; 2,000 make the table of tracees grow, and their ends make it shrink."""
    check(run(threads_program, count, timeout=120), f"{count * 5}\n")


def test_exec_from_a_thread_that_is_not_the_first():
    program = """
        import os, threading, time
        for _ in range(10):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        print(os.getpid(), flush=True)
        threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "echo $$; (exit 3); echo $?"])).start()
        time.sleep(60)
    """
    done = run(sys.executable, "-c", textwrap.dedent(program))
    first, second, third = done.stdout.split()
    assert first == second
    assert (third, done.returncode, done.stderr) == ("3", 0, "")


def test_a_stopped_process_is_stopped_for_its_parent_and_goes_on():
    process = start("sh", "-c", "echo ready; read line; echo $line", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        os.kill(process.pid, signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        time.sleep(0.05)
        assert status_field(process.pid, "State") in "tT"
        os.kill(process.pid, signal.SIGCONT)
        _, status = os.waitpid(process.pid, os.WCONTINUED)
        assert os.WIFCONTINUED(status)
    out, _ = process.communicate("still here\n", timeout=10)
    assert (out, process.returncode) == ("still here\n", 0)


def test_all_threads_stop_and_go_on():
    program = """
        import threading, time
        count = [0] * 20
        def work(i):
            while True:
                count[i] += 1
                time.sleep(0.001)
        for i in range(20):
            threading.Thread(target=work, args=(i,), daemon=True).start()
        print("ready", flush=True)
        while True:
            input()
            print(sum(count), flush=True)
    """
    process = start(sys.executable, "-c", textwrap.dedent(program), stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"

    def count() -> int:
        process.stdin.write("\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    try:
        before = count()
        os.kill(process.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        states = {Path(f"/proc/{process.pid}/task/{task}/stat").read_text().rpartition(")")[2].split()[0]
                  for task in os.listdir(f"/proc/{process.pid}/task")}  # fmt: skip
        assert states <= {"t", "T"}
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGCONT)
        stopped = count()
        # 20 threads count 20 times a millisecond at most: in the half second they must have stood still.
        assert stopped - before < 5000
        time.sleep(0.1)
        assert count() > stopped
    finally:
        process.kill()
        process.communicate(timeout=10)


# ---------------------------------------------------------------- the supervisor's life


def test_supervisor_ends_with_its_last_guest():
    process = start("sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    process.stdout.readline()
    supervisor = supervisor_of(process.pid)
    assert command_name(supervisor) == "lsf-supervisor"
    process.communicate("\n", timeout=10)
    wait_until(lambda: not alive(supervisor), "the supervisor's end")


def test_supervisor_stays_for_other_guests_and_holds_nothing_open():
    """The first guest's end is the command's end, and its pipes reach their end."""
    begun = time.monotonic()
    done = run("sh", "-c", "sleep 60 </dev/null >/dev/null 2>&1 & echo $!; exit 4")
    assert (done.returncode, done.stderr) == (4, "")
    assert time.monotonic() - begun < 30
    child = int(done.stdout)
    supervisor = supervisor_of(child)
    links = sorted(os.readlink(f"/proc/{supervisor}/fd/{fd}") for fd in os.listdir(f"/proc/{supervisor}/fd"))
    assert links == ["/dev/null"] * 3 + ["/proc"]
    assert os.readlink(f"/proc/{supervisor}/cwd") == "/"
    assert os.getsid(supervisor) not in (os.getsid(child), os.getsid(0))
    kill_process(child)
    wait_until(lambda: not alive(supervisor), "the supervisor's end")


def test_guests_die_with_the_supervisor():
    process = start("sh", "-c", "(sleep 60 & echo $!; sleep 60) & echo $!; wait")
    first, second = int(process.stdout.readline()), int(process.stdout.readline())
    kill_process(supervisor_of(process.pid))
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not alive(first) and not alive(second), "the guests' end")


def test_supervisor_is_no_child_of_the_guest():
    """A guest that waits for all its children must find none that it has not made."""
    program = """
        import os
        try:
            print(os.waitpid(-1, 0))
        except ChildProcessError:
            print("none")
    """
    check(run(sys.executable, "-c", textwrap.dedent(program)), "none\n")


def test_already_traced_process_is_an_error():
    """Only one supervisor can trace a process: the second start says so and leaves it whole."""
    program = """
        from lsf import _trace
        _trace.start()
        try:
            _trace.start()
        except PermissionError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), capture_output=True,
                          text=True, timeout=20, check=False)  # fmt: skip
    check(done, "refused\n")


def test_unprivileged_process_gets_no_new_privs():
    """Linux allows a filter only so, and root needs it not."""
    if os.getuid() != 0:
        harness.not_covered("the ptrace engine with and without privileges", "this is not root")
    program = """
        import ctypes, os
        from lsf import _trace
        def field():
            return [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")][0]
        pid = os.fork()
        if pid == 0:
            _trace.start()
            print(_trace.install_filter(), field(), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: else this process may not be traced by its like
        _trace.start()
        print(_trace.install_filter(), field())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), capture_output=True,
                          text=True, timeout=20, check=False)  # fmt: skip
    check(done, "False 0\nTrue 1\n")


# ---------------------------------------------------------------- terminals


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(*command: str) -> Terminal:
        opened.append(Terminal([str(part) for part in command], environment()))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_ctrl_c_reaches_the_program_once(terminal):
    program = """
        import signal, time
        signal.signal(signal.SIGINT, lambda *a: print("interrupt", flush=True))
        print("ready", flush=True)
        while True:
            time.sleep(0.2)
            print("second", flush=True)
    """
    t = terminal(*supervised(sys.executable, "-c", textwrap.dedent(program)))
    t.expect("ready")
    for _ in range(3):
        t.send("\x03")
        t.expect("interrupt")
        t.expect("second")
        t.expect("second")
        assert "interrupt" not in t.passed


def test_ctrl_c_ends_a_program_without_a_handler(terminal):
    t = terminal(*supervised("sleep", "60"))
    wait_until(lambda: command_name(t.pid) == "sleep", "exec")
    t.send("\x03")
    assert t.wait() == -signal.SIGINT


def test_ctrl_z_stops_the_job_and_fg_continues_it(terminal):
    inner = supervised("sh", "-c", "echo ready; read line; echo got $line; exit 6")
    t = terminal("sh", "-c", f"set -m; {' '.join(map(quoted, inner))}; echo status $?; fg; echo status $?")
    t.expect("ready")
    time.sleep(0.2)
    t.send("\x1a")
    assert t.expect(r"status (\d+)")[1] == str(128 + signal.SIGTSTP)
    t.send("word\n")
    t.expect("got word")
    assert t.expect(r"status (\d+)")[1] == "6"
