"""The machine is neutral: a second personality (tests/toyunix) is built from it alone, and its programs run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import harness
import pytest

pytest.importorskip("Cython", reason="the image is built here, and the installed package does not need Cython")

from toyunix import build

pytestmark = pytest.mark.together
ROOT = Path(__file__).resolve().parents[2]
EXIT_STATUS = 42  # of program.c


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The image and the program, built in a folder of their own."""
    out = tmp_path_factory.mktemp("toyunix")
    return build.build_image(out), build.build_program(out)


@pytest.fixture(params=("sud", "trap"))
def command(request, toy):
    """How a program of Toyunix's is started under an engine."""
    reason = harness.engine_missing(request.param)
    if reason is not None:
        harness.not_covered(f"Toyunix on engine {request.param}", reason)
    image, program = toy
    return [str(image), request.param, str(program)]


def run(command, *arguments, stdin=""):
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, timeout=20)


def test_the_sources_of_the_image_do_not_name_freebsd():
    folders = (ROOT / "lsf" / "machine", ROOT / "tests" / "toyunix")
    sources = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(sources) > 40
    assert [str(path) for path in sources if re.search(rb"freebsd", path.read_bytes(), re.I)] == []


def test_the_image_is_built_from_the_machine_alone(toy):
    image, _program = toy
    package = image.parent / "package"
    assert [path.name for path in package.iterdir()] == ["machine"]
    objects = {path.stem for path in (image.parent / "work").glob("*.o")}
    assert objects == {"toyunix", "runtime", "string", "entry", "trampoline", "tables", "instructions"}
    assert re.search(rb"freebsd", image.with_suffix(".debug").read_bytes(), re.I) is None


def test_errors_are_its_own(command):
    done = run(command, "errors", stdin="something to read")
    assert done.stdout.splitlines() == [
        "number 99: errno 66",
        "number 9: errno 66",
        "Linux's write: errno 66",
        "descriptor 77: errno 77",
        "address 8: errno 78",
        "the shim's memory: errno 78",
        "signal 9: errno 79",
        "frame at 8: errno 78",
        "write of nothing: 0",
    ]
    assert (done.returncode, done.stderr) == (EXIT_STATUS, "")


def test_signals_have_its_frame(command):
    """One that the program sends itself and, blocked while its handler runs, again; and a fault, after which it goes on elsewhere."""
    done = run(command, "signals")
    assert done.stdout.splitlines() == [
        "signal: 0",
        "handler: signal 2, the mask before 0",
        "handler: signal 2, the mask before 0",
        "raise: 0",
        "2 caught",
        "handler: signal 1 at 24, here",
        "rbx 4711",
    ]
    assert (done.returncode, done.stderr) == (EXIT_STATUS, "")


def test_a_signal_that_nobody_catches_ends_it(command):
    assert run(command, "default").returncode == -signal.SIGUSR1
    assert run(command, "fault").returncode == -signal.SIGSEGV


def test_a_site_that_traps_often_is_patched(command):
    done = run(command, "often")
    assert (done.stdout, done.returncode) == ("100 good, 100 bad\npatched\n", EXIT_STATUS)


def test_a_signal_from_outside_finds_a_call_that_waits(command):
    with subprocess.Popen([*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            for _ in range(3):
                os.kill(process.pid, signal.SIGUSR1)
                assert process.stdout.readline() == b"caught\n"
            process.stdin.write(b"abc")
            process.stdin.flush()
            assert process.stdout.readline() == b"read: 3\n"
            assert process.wait(timeout=20) == EXIT_STATUS
        finally:
            process.kill()


def test_signals_at_every_instruction_change_no_result(command):
    with subprocess.Popen([*command, "through"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            while process.poll() is None:
                os.kill(process.pid, signal.SIGUSR1)
                time.sleep(1e-5)  # or the next one waits already, and comes at the same instruction
            assert process.stdout.read() == b"0 wrong, some caught\n"
            assert process.returncode == EXIT_STATUS
        finally:
            process.kill()


def test_a_program_of_another_system_is_refused(command):
    done = run([*command[:2], "/bin/true"])
    assert (done.returncode, done.stderr) == (126, "lsf: /bin/true: not a program of Toyunix's\n")
