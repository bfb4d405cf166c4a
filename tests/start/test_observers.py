"""Who observes a program changes nothing of it: --truss and --stats whose output fails, or that nobody reads."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import time

import harness
import pytest

COMMANDS = pytest.mark.engines("sud-cli", "trap-cli", "ptrace")
GO = harness.TESTS / "go"
ENDINGS = {"by_default": 7, "with_handlers": 7, "with_blocked_signals": 7, "dies_of_its_own": -signal.SIGPIPE,
           "executes_another": 7}  # fmt: skip


def limit_files(soft: int, hard: int | None = None):
    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, soft if hard is None else hard))

    return prepare


# ---------------------------------------------------------------- truss


@pytest.mark.parametrize("case", ENDINGS)
def test_the_reader_of_a_trace_goes_away(lsf, case):
    """`lsf --truss PROGRAM 2>&1 | head`: nothing can be said, and the program ends as it would."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = lsf(harness.compile_guest("observed"), f"@{case}", env={"LSF_TRUSS": "1"}, stdio={"stderr": writing})
    finally:
        os.close(writing)
    assert result.returncode == ENDINGS[case], result.explain()
    assert (lsf.cwd / "done").read_text() == "done"


REASONS = {"full": "No space left on device", "limit": "File too large", "reader": "Broken pipe"}


@pytest.mark.parametrize("case", ENDINGS)
@pytest.mark.parametrize("trouble", REASONS)
def test_a_trace_that_cannot_be_written_is_said(lsf, case, trouble):
    """A full disk, a limit on the size of files, a pipe of its own without a reader: a sentence, and the program's status."""
    output, before = "/dev/full", None
    if trouble == "limit":
        output, before = str(lsf.cwd / "trace"), limit_files(4096)
    elif trouble == "reader":
        output = str(lsf.cwd / "pipe")
        os.mkfifo(output)
        reading = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
        # It reads what comes first, and goes.
        reader = os.fork()
        if reader == 0:
            select.select([reading], [], [], 60)
            os._exit(0)
        os.close(reading)
    result = lsf(harness.compile_guest("observed"), f"@{case}", env={"LSF_TRUSS": output}, before=before)
    if trouble == "reader":
        os.waitpid(reader, 0)
    assert result.returncode == ENDINGS[case], result.explain()
    assert (lsf.cwd / "done").read_text() == "done"
    sentence = f"lsf: --truss: {REASONS[trouble]}; the program goes on without it\n"
    # The child of by_default may have begun when its parent was told: then each says it.
    assert result.stderr in ((sentence, 2 * sentence) if case == "by_default" else (sentence,))


def test_standard_error_that_is_another_file_now_is_left_alone(lsf):
    """The program has closed it and opened its data under the number."""
    result = lsf(harness.compile_guest("observed"), "@other_stderr", env={"LSF_TRUSS": str(lsf.cwd / "trace")},
                 before=limit_files(8192))  # fmt: skip
    result.check(status=7)
    assert (lsf.cwd / "done").read_text() == "done"


def trace_unread(lsf, *arguments: str) -> tuple[subprocess.Popen, int]:
    """A program whose trace fills a pipe that nobody reads, when it stands still: the process and the pipe's other end."""
    reading, writing = os.pipe()
    program = harness.compile_guest("observed")
    env = lsf.environment({"LSF_TRUSS": "1"})
    process = subprocess.Popen(
        lsf.command(program, *arguments), env=env, cwd=lsf.cwd, stdin=subprocess.DEVNULL, stderr=writing
    )
    os.close(writing)
    end = time.monotonic() + 30
    while not (lsf.cwd / "done").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.3)
    return process, reading


@pytest.mark.parametrize(
    ("arguments", "status"), [((), -signal.SIGTERM), (("handled",), 5)], ids=["by default", "handled"]
)
def test_a_signal_does_not_wait_for_who_reads(lsf, arguments, status):
    """`lsf --truss PROGRAM 2>&1 | less`: the program stands still, and ends when it is told to."""
    process, reading = trace_unread(lsf, "@stays", *arguments)
    try:
        process.terminate()
        assert process.wait(20) == status
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def test_lines_that_were_lost_are_counted(lsf):
    process, reading = trace_unread(lsf, "@stays")
    try:
        process.send_signal(signal.SIGUSR1)
        time.sleep(2)
        text = b""
        while b"lines lost" not in text:
            text = text[-100:] + os.read(reading, 65536)
        text += os.read(reading, 65536)
        assert re.search(rb"\n-- [1-9]\d* lines lost: nobody read them --\n\w+\(", text)
        process.terminate()
        while os.read(reading, 65536):
            pass
        assert process.wait(20) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def test_a_slow_reader_gets_every_line(lsf):
    reading, writing = os.pipe()
    program = harness.compile_guest("observed")
    process = subprocess.Popen(lsf.command(program, "@with_handlers"), env=lsf.environment({"LSF_TRUSS": "1"}), cwd=lsf.cwd,
                               stdin=subprocess.DEVNULL, stderr=writing)  # fmt: skip
    os.close(writing)
    text = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while piece := pipe.read(4096):
            text += piece
            time.sleep(0.002)
    assert process.wait(30) == 7
    assert text.count(b"getpgrp()") == 3000
    assert b"lost" not in text


def test_output_that_does_not_block_loses_nothing(lsf):
    """Whoever shares standard error may have made it so (ssh, node): a full pipe is waited for all the same."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = harness.compile_guest("observed")
    process = subprocess.Popen(lsf.command(program, "@with_handlers"), env=lsf.environment({"LSF_TRUSS": "1"}), cwd=lsf.cwd,
                               stdin=subprocess.DEVNULL, stderr=writing)  # fmt: skip
    os.close(writing)
    time.sleep(0.5)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    assert process.wait(30) == 7
    assert text.count(b"getpgrp()") == 3000


def test_a_go_program_whose_trace_nobody_reads(lsf):
    """Its runtime handles every signal, SIGPIPE too, and sends itself some."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = lsf(harness.build_go(GO / "hello"), env={"LSF_TRUSS": "1"}, stdio={"stderr": writing})
    finally:
        os.close(writing)
    assert (result.returncode, result.stdout) == (0, "hello from freebsd/amd64, 0 arguments\n")


@COMMANDS
def test_truss_without_standard_error(lsf):
    """Known before the program starts: it does not."""
    result = lsf(harness.compile_guest("observed"), "@by_default", options=["--truss"], before=lambda: os.close(2),
                 stdio={"stderr": None})  # fmt: skip
    assert result.returncode == 125
    assert not (lsf.cwd / "done").exists()


# ---------------------------------------------------------------- stats


@COMMANDS
def test_a_summary_that_cannot_be_written_is_said(lsf):
    result = lsf(harness.compile_guest("observed"), "@by_default", options=["--stats=json:/dev/full"])
    result.check(status=7, stderr="lsf: --stats=json:/dev/full: No space left on device\n")


@COMMANDS
def test_nobody_reads_the_summary(lsf):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = lsf(harness.compile_guest("observed"), "@by_default", options=["--stats"], stdio={"stderr": writing})
    finally:
        os.close(writing)
    assert result.returncode == 7, result.explain()


@COMMANDS
def test_the_limit_on_files_is_the_programs(lsf):
    """Counters and summary are larger than it."""
    output = lsf.cwd / "out"
    result = lsf(
        harness.compile_guest("observed"),
        "@limit",
        options=[f"--stats=json:{output}"],
        before=limit_files(512, 1 << 30),
    )
    result.check(stdout=f"512 {1 << 30}\n")
    assert json.loads(output.read_text())["processes"] == 1


@COMMANDS
def test_counters_that_cannot_be_are_said_before_the_program_starts(lsf):
    result = lsf(harness.compile_guest("observed"), "@by_default", options=["--stats"], before=limit_files(4096))
    result.check(status=125, stderr="lsf: --stats: the counters cannot be set up: File too large\n")
    assert not (lsf.cwd / "done").exists()


@COMMANDS
def test_a_parent_that_ignores_its_children(lsf):
    """SIGCHLD that is ignored leaves none to wait for."""
    result = lsf(harness.compile_guest("stats"), "@exec", options=["--stats"],
                 before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))  # fmt: skip
    result.check(status=5, stderr=None)
    assert result.stderr.startswith("lsf: 0."), result.explain()


@COMMANDS
@pytest.mark.parametrize("options", [[], ["--stats=json:out"], ["--truss=out"], ["--stats=json:out", "--truss=trace"]])
def test_what_is_opened_is_not_standard_error(lsf, options):
    """A program without one has none, and what is said there lands in no file of the observer's."""
    result = lsf(harness.compile_guest("observed"), "@no_stderr", options=options, before=lambda: os.close(2),
                 stdio={"stderr": None})  # fmt: skip
    assert result.returncode == 7, result.explain()
    missing = lsf("/nonexistent/program", options=options, before=lambda: os.close(2), stdio={"stderr": None})
    assert missing.returncode == 127
    assert "lsf:" not in "".join(path.read_text() for path in lsf.cwd.iterdir())


@pytest.mark.engines("sud-cli")
def test_an_error_that_nobody_can_be_told(lsf):
    with open("/dev/full", "w") as full:
        assert lsf("/nonexistent/program", stdio={"stderr": full}).returncode == 127
        assert lsf("/nonexistent/program", options=["--engine=x"], stdio={"stderr": full}).returncode == 125
