"""lsf.trace: what it shows of FreeBSD programs, what it can change in them, and how it ends."""

from __future__ import annotations

import functools
import gc
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import harness
import pytest
from elftools.elf.elffile import ELFFile
from terminal import alive, kill_process, supervisor_of, wait_until

import lsf
from lsf.demo import PROGRAM

event_types = pytest.importorskip("lsf.api.events", reason="the ptrace engine is not built")
GO = harness.TESTS / "go"
TIMEOUT = 60


@pytest.fixture(autouse=True)
def _needs_ptrace():
    reason = harness.engine_missing("ptrace")
    if reason:
        harness.not_covered("lsf.trace", reason)


@pytest.fixture(scope="session")
def guest() -> Path:
    return harness.compile_guest("trace")


@pytest.fixture
def trace(guest, tmp_path):
    """Observe a case of tests/guests/machine/trace.c, in a directory of its own."""

    def start(*arguments: object, program: Path = guest, **options):
        options = {"timeout": TIMEOUT, "capture_output": True, "text": True, "cwd": tmp_path} | options
        return lsf.trace([program, *map(str, arguments)], **options)

    return start


def reported(running) -> dict[str, int | str]:
    """What a helper of trace.c said of its calls."""
    result = running.result()
    assert result.returncode == 0, result
    found = {}
    for line in result.stderr.splitlines():
        name, _, value = line.partition(" ")
        found[name] = int(value) if re.fullmatch(r"-?\d+", value) else value
    return found


def symbol(program: Path, name: str) -> int:
    with program.open("rb") as file:
        return ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(name)[0]["st_value"]


# ---------------------------------------------------------------- calls


def test_calls_are_shown_before_and_after(trace, guest):
    running = trace("@results")
    lines = []
    for event in running:
        assert (event.pid, event.tid) == (running.pid, running.pid)
        assert abs(event.time - time.time()) < TIMEOUT
        if not (isinstance(event, event_types.Syscall) and event.name == "write" and event.args[0] == 2):
            lines.append((event.kind, str(event)))
    assert lines[0] == ("exec", f"exec {guest}")
    assert lines[-2:] == [("entry", "exit(0)"), ("exited", "process exit, rval = 0")]
    entries = [text for kind, text in lines[1:-2] if kind == "entry"]
    exits = [text for kind, text in lines[1:-2] if kind == "exit"]
    assert [kind for kind, _ in lines[1:-2]] == ["entry", "exit"] * len(exits)
    assert exits[:6] == [
        'write(1,"data\\n",5) = 5',
        'open("file",O_RDWR|O_CREAT|O_TRUNC,0600) = 3',
        "open(\"missing\",O_RDONLY) ERR#2 'No such file or directory'",
        'pwrite(3,"hello",5,3) = 5',
        'pread(3,"hello",5,3) = 5',
        "lseek(3,0,SEEK_END) = 8",
    ]
    assert entries[:4] == [re.sub(r" (=|ERR).*", "", text) for text in exits[:4]]
    assert re.fullmatch(r"pread\(3,0x7f\w+,5,3\)", entries[4])  # it is not read yet
    assert "mmap(0x0,4096,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANON,-1,0)" in entries
    # The call within __syscall(2) is shown as itself.
    assert exits[-2:] == ["lseek(3,2,SEEK_SET) = 2", "close(3) = 0"]
    assert (running.returncode, running.result().stdout) == (0, "data\n")


def test_fields_of_a_call(trace):
    for event in trace("@results", syscalls=["open"]):
        if event.kind == "exec":
            assert (event.linux, event.base, event.argv[1:]) == (False, 0, ["@results"])
        if event.kind == "entry":
            path, flags, *_ = event.args
            assert event.number == 5
            assert event.read_string(path) == event.arguments["path"]
            assert event.registers["rdi"] == path
            assert event.registers["rax"] == 5
            assert event.arguments["flags"] == flags
        if event.kind == "exit" and event.arguments["path"] == "missing":
            assert (event.errno, event.error, event.result, event.restarts) == (2, "ENOENT", None, False)
        elif event.kind == "exit":
            assert (event.errno, event.error, event.result, event.skipped) == (None, None, 3, False)


@pytest.mark.parametrize(
    ("options", "kinds", "names"),
    [
        ({"syscalls": ["open", 3]}, {"entry", "exit"}, {"open"}),
        ({"syscalls": "close", "entries": False}, {"exit"}, {"close"}),
        ({"syscalls": ("lseek",), "exits": False}, {"entry"}, {"lseek"}),
        ({"syscalls": False}, set(), set()),
    ],
)
def test_what_to_see_is_chosen(trace, options, kinds, names):
    running = trace("@results", **options)
    events = list(running)
    shown = [event for event in events if isinstance(event, event_types.Syscall)]
    assert {event.kind for event in shown} == kinds
    assert {event.name for event in shown} == names
    assert [event.kind for event in events if event not in shown] == ["exec", "exited"]
    assert reported(running)["pread"] == 5


def test_watch_changes_what_is_seen(trace):
    running = trace("@results", syscalls=["open"], exits=False)
    names = []
    for event in running:
        if event.kind == "entry":
            names.append(event.name)
            if event.name == "pread":
                running.watch(syscalls=False)
            else:
                running.watch(syscalls=["pread"], exits=False)
    assert names == ["open", "pread"]


def test_unknown_call_has_a_number(trace):
    events = [event for event in trace("unknown", program=harness.compile_guest("truss")) if event.kind == "exit"]
    unknown = [event for event in events if event.number == 9999]
    assert [str(event) for event in unknown[:1]] == ["#9999(0x1,0x2,0x0,0x0,0x0,0x0) ERR#78 'Function not implemented'"]
    assert len(unknown) == 2


# ---------------------------------------------------------------- faults and other changes


def test_skipped_calls_fail_or_succeed_as_told(trace):
    running = trace("@results")
    exits = {}
    for event in running:
        if event.kind == "entry" and event.name == "write" and event.args[0] == 1:
            event.skip(errno="ENOSPC")
        elif event.kind == "entry" and event.name == "pwrite":
            event.skip(1234567890123)
        elif event.kind == "entry" and event.name == "lseek":
            event.skip(-5)
        elif event.kind == "entry" and event.name == "close":
            event.skip(errno=97)  # no errno of Linux's is this one
        elif event.kind == "exit" and event.skipped:
            exits[event.name] = (event.errno, event.result)
    assert exits == {"write": (28, None), "pwrite": (None, 1234567890123), "lseek": (None, -5), "close": (97, None)}
    found = reported(running)
    assert (found["write"], found["lseek"], found["close"], found["indirect"]) == (-28, -5, -97, -5)
    assert found["pwrite"] == 1234567890123 - (1234567890123 >> 32 << 32)
    assert found["pread"] == 0  # nothing was written
    assert running.result().stdout == ""


def test_results_are_changed_after_the_call(trace):
    running = trace("@results")
    for event in running:
        if event.kind == "exit" and event.name == "write" and event.args[0] == 1:
            event.set_error("EINTEGRITY")
        elif event.kind == "exit" and event.name == "open" and event.errno:
            event.set_result(-7)
        elif event.kind == "exit" and event.name == "getppid":
            event.set_result(-3)
        elif event.kind == "exit" and event.name == "pread":
            event.write_memory(event.args[1], b"HELLO")
    found = reported(running)
    assert (found["write"], found["missing"], found["getppid"], found["buffer"]) == (-97, -7, 0, "HELLO")
    assert running.result().stdout == "data\n"  # it was made, all the same


def test_changed_arguments_are_not_seen_by_the_program(trace):
    """The call is made with them, and the registers are the program's own again after it."""
    running = trace("registers")
    for event in running:
        if event.kind == "entry" and event.name == "lseek":
            event.set_argument("fd", 2)
            event.set_argument(1, 0)
            event.set_number("close")
        if event.kind == "exit" and event.args[0] == 2 and event.name != "write":
            assert (event.name, event.result) == ("close", 0)
            break
    else:
        pytest.fail("the changed call was not shown")
    result = trace("registers").result()
    assert (result.returncode, result.stderr) == (0, "number 9\ncarry 1\n")
    running = trace("registers", exits=False)
    for event in running:
        if event.kind == "entry" and event.name == "lseek":
            event.set_number("getppid")
            event.set_argument(0, 17)
            event.set_argument("whence", 18)
    found = reported(running)
    assert (found["number"], found["carry"]) == (os.getpid(), 0)


def test_changed_argument_of_an_indirect_call(trace):
    running = trace("@results")
    for event in running:
        if event.kind == "entry" and event.name == "lseek" and event.args[1] == 2:
            event.set_argument("offset", 6)
    assert reported(running)["indirect"] == 6
    running = trace("@results", syscalls=["lseek"])
    for event in running:
        if event.kind == "entry" and event.args[1] == 2:
            event.set_number("getppid")
    assert reported(running)["indirect"] == os.getpid()


def test_memory_is_read_and_written(trace, guest):
    running = trace("@results", syscalls=["write", "open"], exits=False)
    for event in running:
        if event.kind == "entry" and event.name == "write" and event.args[0] == 1:
            event.write_memory(event.args[1], b"DATA")  # read-only memory
            assert event.read_memory(event.args[1], 5) == b"DATA\n"
            for address in (0, 8, 1 << 47, (1 << 64) - 4):
                with pytest.raises(OSError, match="Bad address"):
                    event.read_memory(address, 8)
                with pytest.raises(OSError, match="Bad address"):
                    event.write_memory(address, b"x")
            text = symbol(guest, "target") & ~4095
            assert len(event.read_memory(text, 100000)) > 4096
    assert running.result().stdout == "DATA\n"


def test_what_an_event_refuses(trace):
    entry = None
    for event in trace("@results"):
        if event.kind == "entry" and event.name == "open" and entry is None:
            entry = event
            for wrong in ("nofile", 6, -1, 1.5):
                with pytest.raises(LookupError):
                    event.set_argument(wrong, 1)
            for call in ("nocall", -1):
                with pytest.raises(ValueError, match="syscall"):
                    event.set_number(call)
            for errno in ("ENONSENSE", 0, 98, -1):
                with pytest.raises(ValueError, match="errno"):
                    event.skip(errno=errno)
            with pytest.raises(LookupError):
                event.set_registers(rax=1)
        elif event.kind == "exit" and event.name == "open":
            with pytest.raises(LookupError):
                _ = event.registers
            with pytest.raises(LookupError):
                event.clear_breakpoint(0x1000)
            with pytest.raises(OSError, match="Bad address"):
                event.set_breakpoint(0x10)
            with pytest.raises(OSError, match="Invalid argument"):
                event.set_breakpoint(0x6FFFF0000000)
    with pytest.raises(RuntimeError, match="over"):
        entry.read_memory(entry.args[0], 1)
    with pytest.raises(RuntimeError, match="over"):
        entry.skip()


def test_a_program_without_its_calls(trace):
    """Every call is answered here: the program's memory is all that it uses."""
    running = trace("@results")
    written = b""
    for event in running:
        if event.kind == "entry" and event.name == "write":
            written += event.arguments["buf"]
            event.skip(event.args[2])
        elif event.kind == "entry" and event.name not in ("exit", "mmap"):
            event.skip(1)
    assert b"open 1\nmissing 1\n" in written
    assert (running.result().stdout, running.result().stderr, running.returncode) == ("", "", 0)


# ---------------------------------------------------------------- signals


def test_signals_are_freebsds(trace):
    running = trace("@signals", syscalls=False)
    signals = [event for event in running if event.kind == "signal"]
    assert [(event.number, event.name) for event in signals] == [(30, "SIGUSR1"), (100, "SIGRT35"), (28, "SIGWINCH")]
    assert {(event.code, event.sender, event.uid, event.address) for event in signals} == {
        (0x10001, running.pid, os.getuid(), None)
    }
    assert reported(running) == {"usr1": 1, "usr2": 0, "rt35": 1}


def test_chosen_signals(trace):
    running = trace("@signals", syscalls=False, signals=["SIGRT35", 28])
    names = [event.name for event in running if event.kind == "signal"]
    assert names == ["SIGRT35", "SIGWINCH"]


def test_the_shims_own_signals_are_not_shown(trace):
    running = trace("umtx", program=harness.compile_guest("wake"), syscalls=False)
    assert [event.name for event in running if event.kind == "signal"] == []
    assert running.result().returncode == 0


def test_signals_are_suppressed_and_replaced(trace):
    running = trace("@signals", syscalls=False)
    for event in running:
        if event.kind == "signal" and event.name == "SIGUSR1":
            event.replace("SIGUSR2")
        elif event.kind == "signal" and event.name == "SIGRT35":
            event.suppress()
        elif event.kind == "signal":
            event.replace(100)
    assert reported(running) == {"usr1": 0, "usr2": 1, "rt35": 1}


@pytest.mark.parametrize(
    ("arguments", "suppress", "ends", "found"),
    [
        ((), False, [("EINTR", False), (None, False)], {"read": -4, "alarms": 1}),
        (("restart",), False, [(None, True), (None, False)], {"read": 1, "alarms": 1}),
        # A signal that is taken away does not end the wait.
        ((), True, [(None, False)], {"read": 1, "alarms": 0}),
    ],
)
def test_interrupted_calls(trace, arguments, suppress, ends, found):
    running = trace("@waits", *arguments, syscalls=["read"], follow=False)
    calls, entries = [], 0
    for event in running:
        entries += event.kind == "entry"
        if event.kind == "exit":
            calls.append((event.error, event.restarts))
        if event.kind == "signal" and event.name == "SIGALRM" and suppress:
            event.suppress()
    assert calls == ends
    assert entries == len(ends)
    assert reported(running) == found


def test_each_call_is_shown_once_in_a_storm_of_signals(trace):
    """A signal may meet a call anywhere; what was shown before is what is shown after."""
    running = trace("storm", syscalls=["close", "getppid"], timeout=4 * TIMEOUT)
    under_way, calls = None, Counter()
    for event in running:
        if event.kind == "entry":
            assert under_way is None
            under_way = event.name
        elif event.kind == "exit":
            assert under_way == event.name
            under_way = None
            calls[event.name] += not event.restarts
            if not event.restarts:
                assert event.error == ("EBADF" if event.name == "close" else None)
    loops = reported(running)["loops"]
    assert calls == {"close": loops, "getppid": loops}


def test_a_fault_is_one_signal_and_the_end(trace):
    events = [event for event in trace("@fault", syscalls=False) if event.kind != "exec"]
    assert [event.kind for event in events] == ["signal", "killed"]
    assert (events[0].name, events[0].code, events[0].address, events[0].sender) == ("SIGSEGV", 1, 0x10, None)
    assert (events[1].name, events[1].number) == ("SIGSEGV", 11)


def test_a_fault_is_repaired(trace):
    running = trace("@fault", syscalls=False)
    for event in running:
        if event.kind == "signal":
            event.set_registers(rip=event.registers["rip"] + len(bytes.fromhex("c70425100000000100 0000")))
            event.suppress()
    assert running.returncode == 0


# ---------------------------------------------------------------- processes, threads, programs


def test_processes_threads_and_programs(trace, guest):
    running = trace("family", syscalls=["fork", "vfork", "execve", "thr_new"])
    events = list(running)
    assert running.returncode == 0
    pid = running.pid
    processes = [event for event in events if event.kind == "fork"]
    assert [(event.pid, event.vfork) for event in processes] == [(pid, False), (pid, True), (pid, False)]
    first, second, third = (event.child for event in processes)
    ends = {event.pid: event for event in events if event.kind in ("exited", "killed")}
    assert {child: ends[child].status for child in (first, second, pid)} == {first: 3, second: 7, pid: 0}
    assert (ends[third].name, ends[third].core) == ("SIGBUS", ends[third].core)
    programs = [event for event in events if event.kind == "exec"]
    assert [(event.pid, event.path) for event in programs] == [(pid, str(guest)), (second, str(guest))]
    (thread,) = (event for event in events if event.kind == "thread")
    (gone,) = (event for event in events if event.kind == "thread-exit")
    assert (thread.pid, gone.pid) == (pid, pid)
    assert gone.tid == thread.child
    # A child is announced before anything that it does; its parent's call ends with its number.
    for event in processes:
        assert next(one for one in events if one.pid == event.child) in events[events.index(event) :]
    results = [event.result for event in events if event.kind == "exit" and event.name in ("fork", "vfork")]
    assert results == [first, second, third]
    assert not [event for event in events if event.kind == "exit" and event.name == "execve"]


def test_children_are_not_followed(trace):
    running = trace("family", syscalls=["exit"], follow=False)
    events = list(running)
    assert {event.pid for event in events} == {running.pid}
    assert [event.kind for event in events if event.kind == "fork"] == ["fork"] * 3
    assert running.returncode == 0


def test_the_child_of_vfork_has_the_parents_registers(trace):
    """The case checks them; every call of it is led through the tracer's entry."""
    running = trace("processes", program=harness.compile_guest("truss"))
    assert Counter(event.kind for event in running)["exec"] == 2
    assert running.result().stdout.splitlines() == ["executed", "ok truss.processes"]


@pytest.mark.parametrize(
    ("program", "case"),
    [
        ("contexts", "swap"), ("contexts", "registers"), ("registers", None), ("signals_carried", None),
        ("threads", None), ("signals", None), ("proc_fork", "fork"), ("tls", None), ("efault", None),
        ("wake", None), ("procdesc", "events"), ("proc_fork", "vfork_zombie"),
    ],
)  # fmt: skip
def test_guests_do_not_notice(trace, tmp_path, program, case):
    """Whole guests, with every call stopped twice."""
    source = harness.compile_guest(program)
    for name in [case] if case else harness.guest_cases(harness.guest_source(program)):
        (tmp_path / name).mkdir()
        running = trace(name, program=source, timeout=4 * TIMEOUT, cwd=tmp_path / name)
        for event in running:
            if isinstance(event, event_types.Syscall):
                _ = event.arguments
        result = running.result()
        assert result.returncode == 0, (name, result)
        assert re.match(rf"(ok|skip) {program}", result.stdout.splitlines()[-1]), (name, result)


def test_go_program(trace):
    running = trace(program=harness.build_go(GO / "hello"), syscalls=["write", "thr_new", "mmap"])
    written, events = b"", []
    for event in running:
        events.append(event)
        if event.kind == "exit" and event.name == "write":
            written += event.arguments["buf"][: event.result]
    assert written == b"hello from freebsd/amd64, 0 arguments\n"
    threads = [event.child for event in events if event.kind == "thread"]
    assert threads
    assert {event.tid for event in events} <= {running.pid, *threads}
    assert {event.pid for event in events} == {running.pid}
    assert events[-1].kind == "exited"


def test_go_program_with_children_and_signals(trace, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(f"line {(i * 7919) % 1000:04}\n" for i in range(1000)))
    # The program has timers that may not be late: only a part of its calls is shown.
    running = trace(lines, program=harness.build_go(GO / "work"), syscalls=["open", "openat"], timeout=4 * TIMEOUT)
    calls = Counter()
    for event in running:
        calls[event.kind] += 1
        if event.kind == "exit":
            calls[event.name] += 1
    assert running.result().stdout.endswith("goroutines ok\npipes ok\nsignals ok\nchildren ok\ndone\n")
    assert calls["thread"] >= 1
    assert calls["exec"] > 1
    assert calls["fork"] >= 1
    assert calls["open"] + calls["openat"] > 200


def test_shell_of_a_root(trace):
    root = harness.root_with("bin/sh", "bin/ls", covers="lsf.trace in a root", releases=(10, 11, 12))
    script = "/bin/ls /etc/rc /nonexistent; echo $((6 * 7)) | cat; kill -TERM $$"
    running = lsf.trace(["/bin/sh", "-c", script], root=str(root), isolated=True, capture_output=True, text=True,
                        timeout=4 * TIMEOUT)  # fmt: skip
    programs, opened, missing, pipes = [], set(), [], 0
    for event in running:
        if event.kind == "exec":
            programs.append(event.path)
            assert event.interpreter_base
        if event.kind == "exit" and event.name in ("open", "openat") and not event.errno:
            opened.add(event.arguments["path"])
        if event.kind == "exit" and event.error == "ENOENT" and "path" in event.arguments:
            missing.append(event.arguments["path"])
        pipes += event.kind == "exit" and event.name in ("freebsd10_pipe", "pipe2")
    result = running.result()
    assert programs == ["/bin/sh", "/bin/ls", "/bin/cat"]
    assert "/lib/libc.so.7" in opened
    assert "/nonexistent" in missing
    assert pipes == 1
    assert result.stdout == "/etc/rc\n42\n"
    assert "No such file" in result.stderr
    assert result.returncode == -signal.SIGTERM


def test_a_linux_program_is_shown_as_such(trace):
    """Not its calls, but its begin and its end."""
    program = PROGRAM.with_name("demo.linux")
    running = trace("@exec", program, "time", 10)
    events = [event for event in running if event.kind in ("exec", "exited", "entry")]
    assert [event.kind for event in events] == ["exec", "entry", "exec", "exited"]
    assert (events[2].linux, events[2].path, events[2].argv, events[2].pid) == (True, str(program), [], running.pid)
    assert running.result().stdout.strip().isdigit()


# ---------------------------------------------------------------- breakpoints


def test_breakpoints_show_and_change_registers(trace, guest):
    address = symbol(guest, "target")
    running = trace("breakpoint", syscalls=False)
    hits = []
    for event in running:
        if event.kind == "exec":
            before = event.read_memory(address, 16)
            event.set_breakpoint(address)
            event.set_breakpoint(address)
            assert event.read_memory(address, 16) == before
        elif event.kind == "breakpoint":
            assert event.address == address
            registers = event.registers
            assert registers["rip"] == address
            hits.append((registers["rdi"], registers["rsi"]))
            if len(hits) == 2:
                event.clear_breakpoint(address)
    assert hits == [(1, 2), (10, 3)]
    assert running.result().stdout == "ok trace.breakpoint\n"


def test_a_breakpoint_can_change_what_is_computed(trace, guest):
    address = symbol(guest, "target")
    running = trace("breakpoint", syscalls=False)
    for event in running:
        if event.kind == "exec":
            event.set_breakpoint(address)
        elif event.kind == "breakpoint" and event.registers["rdi"] == 10:
            event.set_registers(rdi=11)
        elif event.kind == "breakpoint" and event.registers["rdi"] == 100:
            pytest.fail("23 was not checked")
    result = running.result()
    assert result.returncode == 1
    assert "25" in result.stderr


def test_no_thread_passes_a_breakpoint(trace, guest):
    address = symbol(guest, "target")
    running = trace("breakpoint_threads", syscalls=False)
    hits = Counter()
    for event in running:
        if event.kind == "exec":
            event.set_breakpoint(address)
        elif event.kind == "breakpoint":
            hits[event.registers["rsi"]] += 1
    assert running.result().stdout == "ok trace.breakpoint_threads\n"
    assert hits == {1: 50, 2: 50, 3: 50}


def test_a_breakpoint_is_taken_away_while_threads_meet_it(trace, guest):
    address = symbol(guest, "target")
    for stop in (1, 2, 3, 5, 8, 13):
        running = trace("breakpoint_threads", syscalls=False)
        hits = 0
        for event in running:
            if event.kind == "exec":
                event.set_breakpoint(address)
            elif event.kind == "breakpoint":
                hits += 1
                if hits == stop:
                    event.clear_breakpoint(address)
            assert event.kind != "signal"
        assert (running.result().stdout, hits) == ("ok trace.breakpoint_threads\n", stop)


@pytest.mark.parametrize("follow", [True, False])
def test_children_have_the_breakpoints_of_their_parent(trace, guest, follow):
    running = trace("breakpoint_children", syscalls=False, follow=follow)
    hits = []
    for event in running:
        if event.kind == "exec":
            event.set_breakpoint(symbol(guest, "target"))
        elif event.kind == "breakpoint":
            hits.append((event.pid == running.pid, event.registers["rdi"]))
    assert hits == ([(False, 1)] if follow else []) + [(True, 2)]
    assert running.result().stdout == "ok trace.breakpoint_children\n"


def test_a_breakpoint_on_a_syscall_instruction(trace, guest):
    """The step over it is the call itself."""
    running = trace("@results", exits=False)
    site, hits = 0, 0
    for event in running:
        if event.kind == "entry" and event.name == "write" and event.args[0] == 2 and not site:
            site = event.registers["rip"] - 2
            event.set_breakpoint(site)
        hits += event.kind == "breakpoint"
        assert event.kind != "signal"
    assert hits >= 1
    assert reported(running)["pread"] == 5


# ---------------------------------------------------------------- the end


def test_detach_lets_the_program_run(trace, guest):
    running = trace("breakpoint_threads", syscalls=False)
    for event in running:
        if event.kind == "exec":
            event.set_breakpoint(symbol(guest, "target"))
        if event.kind == "breakpoint":
            event.detach()
    assert running.wait(TIMEOUT) == 0
    assert running.result().stdout == "ok trace.breakpoint_threads\n"


def test_detach_in_the_middle_of_a_call(trace):
    running = trace("@results")
    for event in running:
        if event.kind == "exit" and event.name == "open":
            running.detach()
    assert reported(running)["pread"] == 5


def test_detach_at_the_birth_of_a_process(trace):
    running = trace("family", syscalls=False)
    for event in running:
        if event.kind == "fork":
            event.detach()
    assert running.result().stdout == "ok trace.family\n"


def processes_of(running) -> tuple[int, int, int]:
    """The program, its child and their supervisor."""
    child = next(event.child for event in running if event.kind == "fork")
    return running.pid, child, supervisor_of(running.pid)


def assert_gone(*pids: int) -> None:
    wait_until(lambda: not any(map(alive, pids)), "the end of all processes", timeout=TIMEOUT)


@pytest.mark.parametrize("program", ["@sleep", "@busy"])
@pytest.mark.parametrize("way", ["close", "with", "break", "exception", "kill"])
def test_nothing_is_left_behind(trace, program, way):
    pids: tuple[int, ...] = ()
    if way == "close":
        running = trace(program)
        pids = processes_of(running)
        running.close()
        running.close()
        assert list(running) == []
        assert running.returncode == -signal.SIGKILL
    elif way == "with":
        with trace(program) as running:
            pids = processes_of(running)
    elif way == "break":
        for event in trace(program):
            if event.kind == "fork":
                pids = (event.pid, event.child, supervisor_of(event.pid))
                break
        with pytest.raises(RuntimeError, match="over"):
            event.read_memory(0, 1)
    elif way == "exception":
        with pytest.raises(ZeroDivisionError):
            for event in trace(program):
                if event.kind == "fork":
                    pids = (event.pid, event.child, supervisor_of(event.pid))
                    _ = 1 // 0
        gc.collect()
    else:
        running = trace(program)
        pids = processes_of(running)
        running.kill()
    assert_gone(*pids)


def test_one_process_is_killed_and_the_other_goes_on(trace):
    running = trace("@sleep", syscalls=["nanosleep"])
    child, ends = 0, []
    for event in running:
        if event.kind == "fork":
            child = event.child
        elif event.kind == "entry" and event.pid == child:
            event.kill()
        elif event.kind == "killed":
            ends.append((event.pid, event.name))
            if event.pid == running.pid:
                break
        elif event.kind == "entry" and ends:
            event.kill()
    assert ends == [(child, "SIGKILL"), (running.pid, "SIGKILL")]


def test_a_program_that_is_killed_from_outside(trace):
    """While its event is shown, too: its end is the next event."""
    running = trace("@sleep", syscalls=["nanosleep"])
    events = []
    for event in running:
        if event.pid == running.pid:
            events.append(event.kind)
            if event.kind == "entry":
                kill_process(event.pid)
            if event.kind == "killed":
                running.close()
    assert events[-2:] == ["entry", "killed"]
    assert (event.name, running.returncode) == ("SIGKILL", -signal.SIGKILL)
    with pytest.raises(RuntimeError, match="over"):
        event.read_memory(0, 1)


def test_the_dead_have_no_memory(trace):
    for event in trace("@fault", syscalls=False):
        if event.kind == "killed":
            for ask in (functools.partial(event.read_memory, 0x400000, 1), event.kill):
                with pytest.raises(ProcessLookupError):
                    ask()
            break
    else:
        pytest.fail("it was not killed")


def test_the_supervisor_is_killed(trace):
    running = trace("@sleep")
    program, child, supervisor = processes_of(running)
    kill_process(supervisor)
    assert list(running) == []
    assert running.returncode == -signal.SIGKILL
    assert_gone(program, child, supervisor)


def test_the_observer_is_killed(guest, tmp_path):
    """A process that observes and is killed takes its programs along."""
    program = f"""
        import lsf, time
        for event in lsf.trace([{str(guest)!r}, "@busy"], syscalls=False):
            if event.kind == "fork":
                print(event.pid, event.child, flush=True)
    """
    observer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)})  # fmt: skip
    try:
        pids = tuple(map(int, observer.stdout.readline().split()))
        pids += (supervisor_of(pids[0]),)
    finally:
        observer.kill()
        observer.communicate(timeout=TIMEOUT)
    assert_gone(*pids)


def test_timeout(trace):
    running = trace("@busy", timeout=1)
    begun = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        for event in running:  # noqa: B007
            pass
    assert time.monotonic() - begun < TIMEOUT
    assert caught.value.timeout == 1
    assert running.returncode == -signal.SIGKILL
    assert_gone(event.pid)


def test_timeout_of_wait(trace):
    running = trace("@sleep", timeout=None)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    assert_gone(running.pid)


def test_events_may_be_read_by_another_thread(trace):
    running = trace("@results", syscalls=["open"])
    first = next(running)
    rest: list = []
    reader = threading.Thread(target=lambda: rest.extend(running))
    reader.start()
    reader.join(TIMEOUT)
    assert first.kind == "exec"
    assert [event.kind for event in rest] == ["entry", "exit"] * 2 + ["exited"]


def test_two_at_a_time_and_a_child_of_another_kind(trace):
    """The observer waits for its own program only."""
    other = subprocess.Popen(["sh", "-c", "exit 3"])
    one, two = trace("@results", syscalls=["open"]), trace("@signals", syscalls=False)
    kinds = [(a.kind, b.kind) for a, b in zip(one, two, strict=False)]
    assert kinds[0] == ("exec", "exec")
    assert (one.wait(), two.wait(), other.wait(TIMEOUT)) == (0, 0, 3)


def test_close_by_another_thread(trace):
    running = trace("@busy")
    pids = processes_of(running)
    closer = threading.Timer(0.3, running.close)
    closer.start()
    assert all(event.pid in pids for event in running)
    closer.join(TIMEOUT)
    assert running.returncode == -signal.SIGKILL
    assert_gone(*pids)


def test_with_truss(trace, tmp_path):
    """Both at once: the program writes its own lines, with what the tracer made of its calls."""
    running = trace("@results", truss=tmp_path / "truss", syscalls=["pwrite", "lseek"])
    for event in running:
        if event.kind == "entry" and event.name == "pwrite":
            event.set_argument("nbyte", 4)
    assert reported(running)["pwrite"] == 4
    lines = (tmp_path / "truss").read_text()
    assert re.search(r'^pwrite\(3,"hell",4,3\)\s+= 4 \(0x4\)$', lines, re.MULTILINE)
    assert re.search(r"^close\(3\)\s+= 0 \(0x0\)$", lines, re.MULTILINE)


def test_streams_are_popens(guest):
    root = harness.root_with("bin/cat", covers="the streams of lsf.trace")
    with lsf.trace(["/bin/cat"], root=str(root), stdin=subprocess.PIPE, stdout=subprocess.PIPE, syscalls=["read"],
                   signals=False, timeout=TIMEOUT) as running:  # fmt: skip
        running.stdin.write(b"hello\n")
        running.stdin.close()
        assert running.wait() == 0
        assert running.stdout.read() == b"hello\n"
    running = lsf.trace(["/bin/cat"], root=str(root), input="much\n" * 100000, capture_output=True, text=True,
                        syscalls=False, timeout=TIMEOUT)  # fmt: skip
    assert running.result().stdout == "much\n" * 100000


# ---------------------------------------------------------------- what does not begin


def test_program_that_is_missing():
    running = lsf.trace("/no/such/program", capture_output=True, timeout=TIMEOUT)
    with pytest.raises(lsf.TraceError, match="program did not begin: lsf: /no/such/program: not found") as caught:
        next(running)
    assert (caught.value.returncode, running.returncode) == (127, 127)
    assert list(running) == []


def test_program_that_is_none(tmp_path, capfd):
    text = tmp_path / "text"
    text.write_text("no program\n")
    text.chmod(0o755)
    with pytest.raises(lsf.TraceError, match="it cannot be run"):
        list(lsf.trace(text, timeout=TIMEOUT))
    assert "not a program" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ([], {}, ValueError), (["p"], {"engine": "sud"}, ValueError), (["p"], {"syscalls": ["nocall"]}, ValueError),
        (["p"], {"syscalls": [-1]}, ValueError), (["p"], {"signals": ["SIGNONE"]}, ValueError),
        (["p"], {"signals": [129]}, ValueError), (["p"], {"input": "", "stdin": 0}, ValueError),
        (["p"], {"capture_output": True, "stdout": 1}, ValueError), (["p"], {"nonsense": 1}, TypeError),
        (["p"], {"shell": True}, TypeError),
    ],
)  # fmt: skip
def test_wrong_use(arguments, options, error):
    with pytest.raises(error):
        lsf.trace(arguments, **options)


def test_ptrace_is_not_permitted(guest):
    """Something else traces the program's process already, or the kernel says no: the reason is told."""
    program = f"""
        import ctypes, lsf, struct
        # A seccomp filter that refuses ptrace with EPERM (1) to this process and its children.
        code = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
        filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(filters)))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, program) == 0
        try:
            list(lsf.trace([{str(guest)!r}, "calls"], capture_output=True, timeout={TIMEOUT}))
        except lsf.TraceError as error:
            print(error.returncode, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
                          timeout=2 * TIMEOUT, check=False,
                          env={**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)})  # fmt: skip
    assert "125" in done.stdout, done.stderr
    assert "the ptrace engine cannot trace this process: Operation not permitted" in done.stdout
