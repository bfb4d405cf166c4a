"""Bad input and hostile surroundings: a clear error, the right status, and nothing lost."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time

import harness
import pytest

from lsf.start import handover

NOT_RUNNABLE, NOT_FOUND = 126, 127
EITHER_WAY = pytest.mark.engines("sud", "ptrace", "sud-cli")
SHIM_FAULT = ("lsf: fault", "bug", "panic")


@pytest.fixture(scope="session")
def start():
    """The guest whose helpers these tests run."""
    return harness.compile_guest("start")


def refused(lsf, program, status, *words, arguments=(), **options):
    """The program is not started: this status, and one line on stderr that names it and says each of these words."""
    result = lsf(program, *arguments, **options)
    assert result.returncode == status, result.explain()
    assert result.stdout == "", result.explain()
    assert result.stderr.startswith("lsf: "), result.explain()
    assert result.stderr.count("\n") == 1, result.explain()
    assert str(program) in result.stderr, result.explain()
    for word in words:
        assert word.lower() in result.stderr.lower(), result.explain()


def executable(path, data: bytes):
    path.write_bytes(data)
    path.chmod(0o755)
    return path


# ---------------------------------------------------------------- what is no program


@EITHER_WAY
def test_missing(lsf):
    refused(lsf, lsf.cwd / "missing", NOT_FOUND, "not found")
    refused(lsf, "no-such-program-in-path", NOT_FOUND, "not found")
    refused(lsf, "", NOT_FOUND)


@EITHER_WAY
def test_no_permission(lsf):
    file = lsf.cwd / "file"
    file.write_bytes(b"#!/bin/sh\n")
    file.chmod(0o644)
    refused(lsf, file, NOT_RUNNABLE, "permission")


@EITHER_WAY
def test_directory(lsf):
    refused(lsf, lsf.cwd, NOT_RUNNABLE)


@EITHER_WAY
def test_component_is_no_directory(lsf):
    (lsf.cwd / "file").write_bytes(b"")
    refused(lsf, lsf.cwd / "file/x", NOT_RUNNABLE, "not a directory")


@EITHER_WAY
@pytest.mark.parametrize("data", [b"", b"\n", b"echo hello\n", b"\x7fELF", b"MZ" * 100, bytes(10000), b"#!\n", b"#!"],
                         ids=["empty", "newline", "text", "four bytes", "MZ", "zeros", "bare #!", "two bytes"])  # fmt: skip
def test_no_program(lsf, data):
    refused(lsf, executable(lsf.cwd / "file", data), NOT_RUNNABLE)


@EITHER_WAY
def test_special_files(lsf):
    os.mkfifo(lsf.cwd / "fifo", 0o755)
    refused(lsf, lsf.cwd / "fifo", NOT_RUNNABLE)
    refused(lsf, "/dev/null", NOT_RUNNABLE)


@EITHER_WAY
def test_link_loop(lsf):
    (lsf.cwd / "loop").symlink_to("loop")
    refused(lsf, lsf.cwd / "loop", NOT_RUNNABLE, "symbolic links")


@EITHER_WAY
def test_script_without_interpreter(lsf):
    script = executable(lsf.cwd / "script", b"#!/missing/interpreter -x\n")
    result = lsf(script)
    assert result.returncode in (NOT_RUNNABLE, NOT_FOUND), result.explain()
    assert "/missing/interpreter" in result.stderr, result.explain()


@EITHER_WAY
def test_script_whose_interpreter_is_a_script(lsf, start):
    """As for execve (tests/guests/image/proc_exec.c): exec_shell_imgact refuses it. One that names itself has no end."""
    script = executable(lsf.cwd / "script", f"#!{start} @arguments\n".encode())
    lsf(script, "x").check(f"[{script}]\n[x]\n")
    nested = executable(lsf.cwd / "nested", f"#!{script}\n".encode())
    refused(lsf, nested, NOT_RUNNABLE, "is a script itself")
    myself = executable(lsf.cwd / "myself", f"#!{lsf.cwd}/myself -x\n".encode())
    refused(lsf, myself, NOT_RUNNABLE, "is a script itself", arguments=("one",))


@EITHER_WAY
def test_lines_of_scripts(lsf, start):
    """Where exec_shell_imgact sees the end of the line, and of the interpreter's name."""
    line = f"#!{start} @arguments".encode()
    script = lsf.cwd / "script"
    for data in (line + b"\n", line + b" \t \n", line + b"\0 rest\n", b"#! \t" + line[2:] + b"\nexit 1\n"):
        lsf(executable(script, data), "one", "two").check(f"[{script}]\n[one]\n[two]\n")
    for data in (line, line + b" " * 5000 + b"\n", b"#! \t \n", b"#!\0" + line[2:] + b"\n"):
        refused(lsf, executable(script, data), NOT_RUNNABLE)
    refused(lsf, executable(script, b"#!/" + b"x" * 1023 + b"\n"), NOT_RUNNABLE, "too long")
    # All that follows the interpreter is one argument, however long.
    result = lsf(executable(script, line + b" " + b"y" * 3000 + b"\n"))
    assert (result.returncode, "@arguments yyy" in result.stderr) == (2, True), result.explain()


@EITHER_WAY
def test_interpreters_that_are_no_programs(lsf):
    os.mkfifo(lsf.cwd / "fifo", 0o755)
    (lsf.cwd / "plain").write_bytes(b"")
    executable(lsf.cwd / "text", b"echo hello\n")
    for name in ("fifo", "plain", "text", ".", "plain/x", "/dev/null"):
        script = executable(lsf.cwd / "script", f"#!{name}\n".encode())
        result = lsf(script)
        assert result.returncode == NOT_RUNNABLE and result.stderr.count("\n") == 1, result.explain()


@EITHER_WAY
def test_random_scripts(lsf, start):
    """Never a crash, whatever the first page holds."""
    rng = random.Random(lsf.engine)
    words = [b" ", b"\t", b"\n", b"\0", b"/", b".", b"./script", b"/missing", str(start).encode(), b"@hello", b"x" * 900,
             b"#!", b"\xff" * 50]  # fmt: skip
    for _ in range(60):
        data = b"#!" + b"".join(rng.choices(words, k=rng.randrange(12)))
        result = lsf(executable(lsf.cwd / "script", data), timeout=10)
        assert result.returncode in (0, 2, NOT_RUNNABLE, NOT_FOUND), (data, result.explain())
        assert not any(word in result.stderr for word in SHIM_FAULT), (data, result.explain())


@pytest.mark.parametrize(
    "words", ["", "t=3", "v=1", "v=", f"v={handover.VERSION + 1:x}", f"v=fffffff{handover.VERSION:x}"]
)
def test_handovers_of_another_version(start, words):
    """A launcher and an image that are not of one installation: one sentence, and not a misunderstanding."""
    done = subprocess.run(["lsf-handover", words, str(start), "x"], executable=harness.shim_image(), check=False, capture_output=True,
                          timeout=30)  # fmt: skip
    assert (done.returncode, done.stderr) == (
        125,
        b"lsf: the shim: another version of LSF started it; install LSF anew\n",
    )


def test_every_word_of_a_handover_is_one_letter():
    letters = list(handover.WORDS.values())
    assert len(set(letters)) == len(letters) and all(len(letter) == 1 for letter in letters)
    assert not {"1", "2", "3"} & set(letters), "those of the login name"


@pytest.mark.parametrize(
    "words", ["a=3f,A=5", "a=5,A=3,B=3", "a=5,A=ffffffffffffffff,B=3", "a=5,A=ffff,B=3", "V=ffff", "V=1"]
)
def test_damaged_handovers(start, tmp_path, words):
    """What one image tells the next is made up by nobody but them; somebody who does gets a sentence."""
    (tmp_path / "file").write_bytes(b"no end")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    done = subprocess.run(["lsf-handover", f"{handover.word('VERSION', handover.VERSION)},{words}", str(start), "x"], executable=harness.shim_image(), check=False,
                          preexec_fn=lambda: os.dup2(fd, 5), close_fds=False, capture_output=True, timeout=30)  # fmt: skip
    os.close(fd)
    assert (done.returncode, done.stderr.count(b"\n")) == (125, 1), done


# ---------------------------------------------------------------- damaged and hostile ELF files

EHDR = {"magic": (0, "I"), "class": (4, "B"), "data": (5, "B"), "version": (6, "B"), "osabi": (7, "B"), "type": (16, "H"),
        "machine": (18, "H"), "e_version": (20, "I"), "entry": (24, "Q"), "phoff": (32, "Q"), "shoff": (40, "Q"),
        "flags": (48, "I"), "ehsize": (52, "H"), "phentsize": (54, "H"), "phnum": (56, "H"), "shnum": (60, "H")}  # fmt: skip
PHDR = {"type": (0, "I"), "flags": (4, "I"), "offset": (8, "Q"), "vaddr": (16, "Q"), "paddr": (24, "Q"), "filesz": (32, "Q"),
        "memsz": (40, "Q"), "align": (48, "Q")}  # fmt: skip
PT_LOAD, PT_INTERP, PT_PHDR, PT_GNU_STACK = 1, 3, 6, 0x6474E551


class Elf:
    """An ELF file whose header fields can be set."""

    def __init__(self, data: bytes):
        self.data = bytearray(data)

    def get(self, field: str) -> int:
        offset, code = EHDR[field]
        return struct.unpack_from(f"<{code}", self.data, offset)[0]

    def set(self, **fields: int) -> Elf:
        for field, value in fields.items():
            offset, code = EHDR[field]
            struct.pack_into(f"<{code}", self.data, offset, value)
        return self

    def segments(self, kind: int) -> list[int]:
        start = self.get("phoff")
        offsets = [start + i * 56 for i in range(self.get("phnum"))]
        return [at for at in offsets if struct.unpack_from("<I", self.data, at)[0] == kind]

    def segment(self, kind: int, index: int = 0, **fields: int) -> Elf:
        at = self.segments(kind)[index]
        for field, value in fields.items():
            offset, code = PHDR[field]
            struct.pack_into(f"<{code}", self.data, at + offset, value)
        return self

    def cut(self, size: int) -> Elf:
        del self.data[size:]
        return self


@pytest.fixture(scope="session")
def minimal():
    """The bytes of a tiny FreeBSD program that prints "ok"."""
    return harness.compile_guest(harness.GUESTS / "minimal/minimal.c").read_bytes()


WINDOW = 0x6FFFF0000000
#: name: (what is done to a good program, words of the message)
DAMAGES = {
    "cut in the ELF header": (lambda e: e.cut(40), ()),
    "cut in the program headers": (lambda e: e.cut(100), ()),
    "32 bits": (lambda e: e.set(**{"class": 1, "machine": 3}), ("32-bit",)),
    "big endian": (lambda e: e.set(data=2), ()),
    "version": (lambda e: e.set(version=9), ()),
    "arm64": (lambda e: e.set(machine=183), ("amd64",)),
    "riscv": (lambda e: e.set(machine=243), ("amd64",)),
    "relocatable": (lambda e: e.set(type=1), ()),
    "core": (lambda e: e.set(type=4), ()),
    "no program headers": (lambda e: e.set(phnum=0), ()),
    "65535 program headers": (lambda e: e.set(phnum=65535), ()),
    "program headers far away": (lambda e: e.set(phoff=1 << 40), ()),
    "program headers at the end": (lambda e: e.set(phoff=len(e.data) - 8), ()),
    "program headers overflow": (lambda e: e.set(phoff=(1 << 64) - 8), ()),
    "odd size of program headers": (lambda e: e.set(phentsize=55), ()),
    "size 0 of program headers": (lambda e: e.set(phentsize=0), ()),
    "segment beyond the file": (lambda e: e.segment(PT_LOAD, 1, offset=1 << 30), ()),
    "file size beyond the file": (lambda e: e.segment(PT_LOAD, 1, filesz=1 << 40, memsz=1 << 40), ()),
    "file size above memory size": (lambda e: e.segment(PT_LOAD, 1, filesz=4096, memsz=16), ()),
    "address in the kernel": (lambda e: e.segment(PT_LOAD, 1, vaddr=0xFFFFFFFF80000000), ()),
    "address overflow": (lambda e: e.segment(PT_LOAD, 1, vaddr=(1 << 64) - 4096 + 0x280), ()),
    "memory size overflow": (lambda e: e.segment(PT_LOAD, 1, memsz=(1 << 64) - 1), ()),
    "memory size of 2^46": (lambda e: e.segment(PT_LOAD, 2, memsz=1 << 46), ()),
    "on the shim's window": (lambda e: e.segment(PT_LOAD, 1, vaddr=WINDOW + 0x280), ()),
    "over the shim's window": (lambda e: e.segment(PT_LOAD, 2, vaddr=WINDOW - 0x3000 + 0x2A0, memsz=1 << 30), ()),
    "page 0": (lambda e: e.segment(PT_LOAD, 1, vaddr=0x280), ()),
    "offset and address disagree": (lambda e: e.segment(PT_LOAD, 1, vaddr=0x201281), ()),
    "interpreter without end": (lambda e: e.segment(PT_GNU_STACK, type=PT_INTERP, offset=0, filesz=100), ()),
    "interpreter beyond the file": (lambda e: e.segment(PT_GNU_STACK, type=PT_INTERP, offset=1 << 40, filesz=20), ()),
    "interpreter of size 0": (lambda e: e.segment(PT_GNU_STACK, type=PT_INTERP, offset=0, filesz=0), ()),
    "interpreter of 2^60": (lambda e: e.segment(PT_GNU_STACK, type=PT_INTERP, offset=0, filesz=1 << 60), ()),
    "not FreeBSD's": (lambda e: e.set(osabi=12), ()),
}


@EITHER_WAY
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_elf(lsf, minimal, damage):
    change, words = DAMAGES[damage]
    program = executable(lsf.cwd / "damaged", bytes(change(Elf(minimal)).data))
    result = lsf(program, timeout=10)
    # What only FreeBSD's kernel is particular about may run, if it runs right.
    if result.returncode == 0 and result.stdout == "ok\n" and not words:
        return
    assert result.returncode == NOT_RUNNABLE, result.explain()
    assert result.stderr.startswith("lsf: "), result.explain()
    assert str(program) in result.stderr, result.explain()
    for word in words:
        assert word in result.stderr, result.explain()


def test_damaged_elf_under_a_guest(lsf, minimal, start):
    """The same by execve inside a guest: an errno for the caller, which lives on, or the death of the new image."""
    for damage, (change, _) in DAMAGES.items():
        program = executable(lsf.cwd / "damaged", bytes(change(Elf(minimal)).data))
        result = lsf(start, "@try_exec", str(program), timeout=10)
        assert result.returncode == 0, f"{damage}: {result.explain()}"
        program.unlink()


def mutations(data: bytes, count: int, seed: int):
    """Random damages to the headers, each of one to four fields, with values that loaders get wrong."""
    source = random.Random(seed)
    interesting = [0, 1, 2, 7, 8, 56, 64, 4095, 4096, 0x7FFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 47) - 4096, 1 << 47,
                   (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096, WINDOW, WINDOW - 4096, WINDOW + 0x100000,
                   0x200000, 0x201000, 0x7FFFFFFFF000, len(data), len(data) - 1, len(data) + 1]  # fmt: skip
    headers = [(offset, code) for name, (offset, code) in EHDR.items() if name != "magic"]
    elf = Elf(data)
    first, number = elf.get("phoff"), elf.get("phnum")
    segments = [(first + i * 56 + offset, code) for i in range(number) for offset, code in PHDR.values()]
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(source.randint(1, 4)):
            offset, code = source.choice(headers + segments * 2)
            mask = (1 << (8 * struct.calcsize(code))) - 1
            value = source.choice(interesting) if source.random() < 0.7 else source.getrandbits(64)
            if source.random() < 0.2:
                value = struct.unpack_from(f"<{code}", changed, offset)[0] + source.choice([-4096, -8, -1, 1, 8, 4096])
            struct.pack_into(f"<{code}", changed, offset, value & mask)
        yield bytes(changed)


@pytest.mark.engines("sud", "trap")
@pytest.mark.parametrize("seed", range(4))
def test_fuzzed_elf(lsf, minimal, seed):
    """The loader refuses or runs, and never hangs, crashes or says that it met a bug of its own."""
    program = lsf.cwd / "fuzzed"
    environment = lsf.environment(None)
    for index, data in enumerate(mutations(minimal, 150, seed)):
        executable(program, data)
        command = [str(lsf.image()), "--", str(program)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=10, check=False, cwd=lsf.cwd)
        except subprocess.TimeoutExpired:
            pytest.fail(f"seed {seed}, mutation {index}: hangs")
        error = done.stderr.decode(errors="replace")
        where = f"seed {seed}, mutation {index}: status {done.returncode}, {error!r}"
        assert done.returncode != -signal.SIGABRT, where
        assert not any(word in error for word in SHIM_FAULT), where
        if done.returncode == NOT_RUNNABLE:
            assert error.startswith("lsf: "), where
        else:
            # It was started: what it does then is its own affair, and a damaged one may well fault.
            assert done.returncode in (0, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGTRAP, -signal.SIGFPE,
                                       -signal.SIGSYS, NOT_FOUND), where  # fmt: skip
        program.unlink()


@EITHER_WAY
def test_missing_interpreter(lsf, start):
    """The interpreter is named, and so is what to do."""
    data = bytearray(start.read_bytes())
    name = b"/libexec/ld-nowhere.so.1\0"
    elf = Elf(bytes(data))
    elf.data += name
    elf.segment(PT_GNU_STACK, type=PT_INTERP, offset=len(data), filesz=len(name), memsz=len(name))
    program = executable(lsf.cwd / "dynamic", bytes(elf.data))
    result = lsf(program)
    assert result.returncode in (NOT_RUNNABLE, NOT_FOUND), result.explain()
    assert "/libexec/ld-nowhere.so.1" in result.stderr, result.explain()
    assert "--root" in result.stderr, result.explain()


@EITHER_WAY
def test_missing_library(lsf, tmp_path):
    """A root that lacks a library: the run-time linker names it."""
    root = harness.root_with(
        "bin/sh", "libexec/ld-elf.so.1", covers="a missing shared library", releases=(10, 11, 12, 13)
    )
    own = harness.copy_root(root, tmp_path / "root", ("bin", "libexec", "lib"))
    (own / "lib/libedit.so.7").unlink()
    result = lsf("/bin/sh", "-c", "echo hi", root=own)
    assert result.returncode == 1, result.explain()
    assert "libedit.so.7" in result.stderr, result.explain()


# ---------------------------------------------------------------- surroundings


@EITHER_WAY
@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_closed_descriptors(lsf, start, closed):
    def close():
        for fd in closed:
            os.close(fd)

    result = lsf(start, "@exit", "7", before=close)
    assert result.returncode == 7, result.explain()


@EITHER_WAY
@pytest.mark.parametrize("limit", [16, 8, 4])
def test_few_descriptors(lsf, start, limit):
    """`ulimit -n` of the shell that starts LSF; the guest sees this limit and can use all of it."""
    if lsf.by_command and limit < 16:
        pytest.skip("Python itself needs some")
    result = lsf(start, "hello", before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    result.check("hello from FreeBSD/amd64\nok start.hello\n")


@EITHER_WAY
def test_everything_works_with_16_descriptors(lsf):
    hostile = harness.compile_guest("hostile")
    result = lsf(hostile, "closefrom", before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)))
    result.check("ok hostile.closefrom\n")


@EITHER_WAY
def test_blocked_and_ignored_by_the_parent(lsf, start):
    """SIGSYS and SIGSEGV are what the shim lives on; what the parent did to them is the guest's to see, no more."""

    def spoil():
        signal.signal(signal.SIGSYS, signal.SIG_IGN)
        signal.signal(signal.SIGSEGV, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGSYS, signal.SIGSEGV, signal.SIGBUS, signal.SIGTERM})

    result = lsf(start, "@inherited_signals", before=spoil).check()
    assert result.stdout == "blocked 10 11 12 15\nignored 11 12 30\n"


@EITHER_WAY
def test_small_stack_limit(lsf, start):
    for megabytes in (1, 64):
        size = megabytes << 20
        lsf(start, "stack_grows", before=lambda s=size: resource.setrlimit(resource.RLIMIT_STACK, (s, s))).check()
        lsf(start, "stack_top", before=lambda s=size: resource.setrlimit(resource.RLIMIT_STACK, (s, s))).check()


@EITHER_WAY
def test_unlimited_stack(lsf, start):
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
        pytest.skip("the hard limit of the stack is not unlimited here")
    lsf(start, "stack_top", before=lambda: resource.setrlimit(resource.RLIMIT_STACK, unlimited)).check()


@EITHER_WAY
def test_full_disk(lsf, start):
    lsf(start, "@full_disk", "/dev/full").check("full after 0\n")


@pytest.mark.engines("sud-cli", "ptrace")
def test_read_only_root(lsf, start, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for folder in ("dev", "proc", "tmp"):
        (root / folder).mkdir()
    shutil.copy(start, root / "start")
    lsf_command = lsf.command("/start", "@read_only", root=root)
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 77; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, str(root), *lsf_command]
    done = subprocess.run(command, env=lsf.environment(None), capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        harness.not_covered("a read-only root", f"no mounts are allowed here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "read-only\n", "")


@EITHER_WAY
def test_long_argument(lsf, start):
    """Linux takes no single argument over 128 KiB, FreeBSD what ARG_MAX allows for all together (kern_exec.c)."""
    for size in (131071, 131072, 400000):
        result = lsf(start, "@exec_with_argument", str(size))
        assert result.returncode == 0, result.explain()
    result = lsf(start, "@exec_with_argument", str(524288))
    assert result.returncode == 7, result.explain()  # E2BIG


def start_guest(lsf, start, *arguments):
    return subprocess.Popen(lsf.command(start, *arguments), env=lsf.environment(None), cwd=lsf.cwd, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True)  # fmt: skip


def read_until(process, line: str) -> list[str]:
    lines = []
    while True:
        got = process.stdout.readline()
        if got == f"{line}\n":
            return lines
        assert got, f"ended before '{line}': {process.stderr.read()}"
        lines.append(got.strip())


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def finish(process, pids) -> None:
    """Leave nothing behind: the session, and what has left it."""
    harness.kill_session(process.pid)
    for pid in pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    process.stderr.close()


@EITHER_WAY
def test_interrupt(lsf, start):
    """Ctrl-C: SIGINT to the whole foreground group ends the guest, and who waits sees SIGINT."""
    process = start_guest(lsf, start, "@family")
    pids = []
    try:
        pids = [int(line) for line in read_until(process, "ready")]
        time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT
        # Of the three children one has left the group for a session of its own.
        assert [not gone(pid) for pid in pids] == [False, True, False, False]
    finally:
        finish(process, pids)


@EITHER_WAY
def test_interrupt_is_caught(lsf, start):
    process = start_guest(lsf, start, "@catch_interrupt")
    try:
        read_until(process, "ready")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 3
        assert process.stdout.read() == "caught\n"
        assert process.stderr.read() == ""
    finally:
        finish(process, [])


@pytest.mark.engines("ptrace")
def test_supervisor_is_killed(lsf, start):
    """No guest of the ptrace engine survives its supervisor, wherever it has gone."""
    process = start_guest(lsf, start, "@family")
    pids = []
    try:
        pids = [int(line) for line in read_until(process, "ready")]
        assert len(pids) == 4
        with open(f"/proc/{pids[3]}/status") as status:
            supervisor = int(next(line for line in status if line.startswith("TracerPid")).split()[1])
        assert supervisor > 0
        os.kill(supervisor, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not all(gone(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [pid for pid in pids if not gone(pid)] == []
    finally:
        finish(process, pids)
