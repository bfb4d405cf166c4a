"""lsf --stats: what is counted, by whom and when it is written, and that nothing is there without it."""

from __future__ import annotations

import json
import re
import signal
import time

import harness
import pytest

from lsf.api import process
from lsf.start import stats
from lsf.start.errors import LaunchError

SHIM = harness.TESTS.parent / "lsf/machine/amd64"  # the sources: what is installed has none
#: How many calls of a site trap, the one at which it is patched included.
PATCH_AFTER = int(re.search(r"PATCH_AFTER = (\d+)", (SHIM / "patch.pxi").read_text())[1])
TRAPS = {"sud": PATCH_AFTER, "trap": PATCH_AFTER, "ptrace": 2}
#: How often a case calls at its site.
CALLS = 60
COMMANDS = pytest.mark.engines("sud-cli", "trap-cli", "ptrace")


def spent(summary):
    """What a summary's lanes say about its rows, checked; the summary."""
    for key in ("calls", "errors"):
        assert summary[key] == sum(row[key] for row in summary["syscalls"].values())
        assert summary[key] == sum(row[key] for row in summary["lanes"].values())
    patching = summary["patching"]
    assert summary["calls"] == patching["calls_through_patched_sites"] + patching["calls_that_trapped"]
    assert 0 <= summary["seconds"] < 600
    return summary


@pytest.fixture
def counted(lsf, tmp_path):
    """Run a case of tests/guests/machine/stats.c: its summary, which must be there when the guest has ended, and the result."""

    def run(case, *arguments, status=0, env=None, **more):
        output = tmp_path / "stats.json"
        result = lsf(harness.compile_guest("stats"), case, *arguments, env={"LSF_STATS": f"json:{output}", **(env or {})},
                     **more)  # fmt: skip
        result.check(status=status)
        text = output.read_text()
        assert text.endswith("\n"), result.explain()
        assert text.count("\n") == 1
        return spent(json.loads(text)), result

    return run


def row(summary, name):
    """Calls and errors of one syscall."""
    found = summary["syscalls"].get(name, {"calls": 0, "errors": 0})
    return found["calls"], found["errors"]


# ---------------------------------------------------------------- counts


@COMMANDS
def test_counts(counted, lsf):
    summary, _ = counted("counts")
    assert summary["engine"] == lsf.mode
    assert (summary["processes"], summary["programs"], summary["threads"]) == (1, 1, 1)
    assert row(summary, "getpgrp") == (500, 0)
    assert row(summary, "close") == (40, 40)
    assert row(summary, "dup") == (2, 2)
    assert row(summary, "nfssvc") == (1, 1)
    assert row(summary, "(unknown)") == (2, 2)
    assert row(summary, "getpriority") == (5, 0)
    assert row(summary, "exit") == (1, 0)
    lanes = {name: summary["syscalls"][name]["lane"] for name in ("getpgrp", "close", "nfssvc", "(unknown)")}
    assert lanes == {"getpgrp": "pass", "close": "translate", "nfssvc": "refuse", "(unknown)": "refuse"}
    assert summary["lanes"]["refuse"]["calls"] == 3
    assert 0 < summary["syscalls"]["getpgrp"]["seconds"] <= summary["seconds_in_calls"]
    patching = summary["patching"]
    assert patching["on"]
    # The first calls trap, and the rest of the loop goes through the jump. (The other sites stand behind calls, in a function
    # that no unwind table describes.)
    assert (patching["patched_sites"], patching["calls_through_patched_sites"]) == (1, 500 - TRAPS[lsf.mode])


@COMMANDS
def test_unpatched(counted):
    summary, _ = counted("counts", env={"LSF_PATCH": "0"})
    patching = summary["patching"]
    assert not patching["on"]
    assert (patching["patched_sites"], patching["calls_through_patched_sites"]) == (0, 0)
    assert patching["refused_sites"] == {}
    assert row(summary, "getpgrp") == (500, 0)


@COMMANDS
def test_processes(counted):
    summary, _ = counted("processes")
    assert (summary["processes"], summary["programs"], summary["threads"]) == (4, 2, 4)
    assert row(summary, "getpgrp") == (20, 0)
    assert row(summary, "getegid") == (30, 0)
    assert row(summary, "fork") == (1, 0)
    assert row(summary, "vfork") == (2, 0)
    assert row(summary, "execve") == (1, 0)
    assert row(summary, "exit") == (4, 0)


@pytest.mark.engines("sud-cli", "trap-cli")
def test_children_of_one_parent(lsf, tmp_path):
    """A site that only children call at is patched by the first of them, and then in their parent: those that follow do not trap."""
    output = tmp_path / "stats.json"
    program = harness.compile_guest("patching_family", ("-fasynchronous-unwind-tables", "-Wl,--eh-frame-hdr"))
    lsf(program, "connections", env={"LSF_STATS": f"json:{output}"}).check(stdout="ok patching_family.connections\n")
    patching = spent(json.loads(output.read_text()))["patching"]
    assert patching["calls_through_patched_sites"] > 40 * 100 - 15 * PATCH_AFTER  # of the calls of forty children
    assert patching["patched_sites"] < 30


@COMMANDS
def test_threads(counted):
    summary, _ = counted("threads")
    assert (summary["processes"], summary["threads"]) == (1, 3)
    assert row(summary, "getpgrp") == (3000, 0)
    assert row(summary, "thr_new") == (2, 0)


@COMMANDS
def test_a_call_that_is_made_again_counts_once(counted):
    """One read fails with EINTR, one is restarted several times."""
    summary, _ = counted("interrupted")
    assert row(summary, "read") == (2, 1)
    assert summary["restarts"] >= 1


@COMMANDS
def test_signals_at_full_rate(lsf, tmp_path):
    """A signal that comes before a call does not end it, counted or not."""
    output = tmp_path / "stats.json"
    env = {"LSF_STATS": f"json:{output}"}
    lsf(harness.compile_guest("signal_storm"), "pass", env=env, timeout=120).check(stdout="ok signal_storm.pass\n")
    summary = spent(json.loads(output.read_text()))
    calls, errors = row(summary, "getpid")
    assert (calls % 50, errors) == (2, 0)
    assert row(summary, "sigreturn")[0] >= 100  # what the guest makes sure of on a busy machine


@COMMANDS
def test_together_with_truss(counted, tmp_path):
    calls = tmp_path / "calls"
    summary, _ = counted("processes", env={"LSF_TRUSS": str(calls)})
    assert summary["processes"] == 4
    assert row(summary, "getegid") == (30, 0)
    assert len(re.findall(r"\bgetegid\(\)", calls.read_text())) == 30


# ---------------------------------------------------------------- sites


UNPROVEN = "no jump fits there, and what is before it is not proven"
REASONS = {
    "unreachable": UNPROVEN,
    "no_room": UNPROVEN,
    "shared": "shared mapping",
    "own_code": "code that the program writes",
}


@COMMANDS
@pytest.mark.parametrize("site", ["usual", "unusual", "across_lines", *REASONS])
def test_site(counted, lsf, site):
    summary, _ = counted(f"site_{site}")
    assert row(summary, "getpgrp") == (CALLS, 0)
    patching = summary["patching"]
    if site not in REASONS:
        assert patching["refused_sites"] == {}
        assert patching["refused"] == []
        assert (patching["patched_sites"], patching["calls_through_patched_sites"]) == (1, CALLS - TRAPS[lsf.mode])
        return
    assert patching["refused_sites"] == {REASONS[site]: 1}
    (found,) = patching["refused"]
    assert (found["reason"], found["calls"]) == (REASONS[site], CALLS)
    if site == "own_code":
        assert found["file"] is None
    else:
        assert found["file"] == str(lsf.cwd / "text")[-95:]
        assert found["offset"] == 69
    assert patching["calls_that_trapped"] >= CALLS


@COMMANDS
def test_site_of_a_file_is_counted_once(counted, lsf):
    """Two processes of one image, one line for the site."""
    summary, _ = counted("site_in_two_processes")
    patching = summary["patching"]
    assert patching["refused_sites"] == {UNPROVEN: 1}
    (found,) = patching["refused"]
    assert (found["file"], found["offset"], found["calls"]) == (str(lsf.cwd / "text")[-95:], 69, 2 * CALLS)


# ---------------------------------------------------------------- whose end it is


@COMMANDS
def test_the_last_guest_brings_the_summary(counted):
    """The first one has ended half a second before."""
    summary, _ = counted("orphan")
    assert summary["processes"] == 2
    assert row(summary, "getpgrp") == (70, 0)


@COMMANDS
def test_a_killed_child(counted):
    summary, _ = counted("killed")
    assert summary["processes"] == 2
    assert row(summary, "getpgrp") == (20, 0)


@COMMANDS
@pytest.mark.parametrize("how", ["kill", "term"])
def test_a_guest_that_a_signal_ends(lsf, tmp_path, how):
    """Nobody is left to wait for the summary: it comes soon after."""
    output = tmp_path / "stats.json"
    result = lsf(harness.compile_guest("stats"), "@killed_last", how, env={"LSF_STATS": f"json:{output}"})
    assert -result.returncode == (signal.SIGKILL if how == "kill" else signal.SIGTERM), result.explain()
    end = time.monotonic() + 30
    while not output.read_text().endswith("\n"):
        assert time.monotonic() < end, "no summary"
        time.sleep(0.02)
    summary = spent(json.loads(output.read_text()))
    assert row(summary, "getpgrp") == (20, 0)


@COMMANDS
def test_status_and_standard_error(lsf):
    result = lsf(harness.compile_guest("stats"), "@exec", options=("--stats",))
    result.check(status=5, stderr=None)
    lines = result.stderr.splitlines()
    assert re.fullmatch(rf"lsf: \d+\.\d{{3}} s, 1 process, 1 program, 1 thread, engine {lsf.mode}", lines[0])
    assert [line.split()[-1] for line in lines[1:4]] == ["syscall", "getegid", "exit"]
    assert re.search(
        r"^ +\d+ sites? patched, \d+ calls? through them; \d+ calls? trapped$", result.stderr, re.MULTILINE
    )
    assert result.stderr.count("lsf: ") == 1


@COMMANDS
def test_the_counters_are_hidden_and_survive_exec(counted):
    summary, _ = counted("hidden")
    assert (summary["processes"], summary["programs"]) == (2, 2)
    assert row(summary, "getegid") == (30, 0)


@pytest.mark.engines("sud-cli", "ptrace")
def test_linux_programs(counted):
    """Not counted, and no end for the guest that waits. (The engine trap starts no Linux programs.)"""
    summary, _ = counted("@linux")
    assert (summary["processes"], summary["programs"]) == (2, 1)
    assert row(summary, "execve") == (2, 1)
    assert row(summary, "getpgrp") == (20, 0)


@COMMANDS
def test_a_root_and_a_shell(lsf, tmp_path):
    root = harness.root_with("bin/sh", "bin/ls", covers="lsf --stats over a shell")
    output = tmp_path / "stats.json"
    done = lsf("/bin/sh", "-c", "for i in 1 2 3; do /bin/ls / >/dev/null; done; exit 4", root=root,
               env={"LSF_STATS": f"json:{output}"})  # fmt: skip
    done.check(status=4)
    summary = spent(json.loads(output.read_text()))
    assert (summary["processes"], summary["programs"]) == (4, 4)
    assert row(summary, "wait4")[0] >= 3
    assert summary["patching"]["patched_sites"] > 0


@COMMANDS
@pytest.mark.parametrize("wanted", [False, True])
def test_nothing_is_there_without_it(lsf, wanted, tmp_path):
    env = {"LSF_STATS": f"text:{tmp_path}/out"} if wanted else {}
    lsf(harness.compile_guest("stats"), "@seen", env=env).check(stdout=f"{int(wanted)}\n")


@COMMANDS
@pytest.mark.parametrize("case", ["counts", "processes", "threads", "orphan", "killed", "hidden"])
def test_guest_without_stats(lsf, case):
    lsf(harness.compile_guest("stats"), case).check(stdout=f"ok stats.{case}\n")


@pytest.mark.engines("sud-cli")
def test_a_program_that_does_not_start_has_no_summary(lsf, tmp_path):
    output = tmp_path / "out"
    result = lsf("/nonexistent/program", options=(f"--stats=json:{output}",))
    result.check(status=127, stderr=None)
    assert result.stderr.count("\n") == 1
    time.sleep(0.3)
    assert output.read_text() == ""


# ---------------------------------------------------------------- words and layout


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", ("text", "")), ("text", ("text", "")), ("json", ("json", "")), ("json:/a:b", ("json", "/a:b")),
     (":/x", ("text", "/x"))],
)  # fmt: skip
def test_parse(text, wanted):
    assert stats.parse(text) == wanted


@pytest.mark.parametrize("text", ["xml", "json:", ":", "/a/file", "jsonl:/x"])
def test_parse_refuses(text):
    with pytest.raises(LaunchError):
        stats.parse(text)


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(LaunchError, match="No such file"):
        stats.start(f"json:{tmp_path}/missing/out")


def test_python_options():
    assert "--stats" in process.command(["p"], stats=True)
    assert "--stats=json:out" in process.command(["p"], stats="json:out")
    assert not [word for word in process.command(["p"]) if word.startswith("--stats")]


def test_layout_is_the_shims():
    text = (SHIM / "layout.h").read_text()
    numbers = {name: int(value, 0) for name, value in re.findall(r"#define (STATS_\w+) (\w+)", text)}
    ours = {name: value for name, value in vars(stats).items() if name in numbers}
    assert ours == {name: numbers[name] for name in ours}
    assert {"STATS_SIZE", "STATS_ROW", "STATS_SITE", "STATS_JUMPED", "STATS_REFUSED"} <= ours.keys()


def test_reasons_are_the_shims():
    text = (SHIM / "patch.pxi").read_text()
    named = {int(value) for value in re.findall(r"^    OUTCOME_[A-Z_]+ = ([2-9]|\d\d)\b", text, re.MULTILINE)}
    assert named == set(stats.REASONS)


def test_read_adds_up_sites_of_several_images():
    memory = bytearray(stats.STATS_SIZE)
    for number, (image, traps) in enumerate([(1, 10), (2, 32)]):
        at = stats.STATS_SITE + 128 * number
        for index, value in enumerate(((image << 48) | 0x400002, traps, 0x1000, 3)):
            memory[at + 8 * index : at + 8 * index + 8] = value.to_bytes(8, "little")
        memory[at + 32 : at + 40] = b"/bin/cat"
    (site,) = stats.read(memory, 5)["patching"]["refused"]
    assert site == {"file": "/bin/cat", "offset": 0x1000, "reason": "shared mapping", "calls": 42}
