"""The lines that truss writes: what they look like, and that they are whole when many write them."""

from __future__ import annotations

import re

import harness
import pytest


@pytest.fixture
def truss(lsf, tmp_path):
    """Run a case of tests/guests/truss/truss.c; the lines that truss wrote, and the result."""

    def run(case):
        output = tmp_path / "truss.out"
        result = lsf(harness.compile_guest("truss"), case, env={"LSF_TRUSS": str(output)})
        result.check(stderr=None)
        text = output.read_text(errors="surrogateescape")
        assert text.endswith("\n"), text[-200:]
        return text.splitlines(), result

    return run


def calls(lines, name):
    """The lines of one call, without the prefix."""
    found = [re.sub(r"^ *\d+: ", "", line) for line in lines]
    return [line for line in found if line.startswith(name + "(")]


def line(call, result):
    """A line as truss writes it: tabs up to column 48."""
    return call + "\t" * max(0, 6 - len(call) // 8) + " " + result


NO_FILE = "ERR#2 'No such file or directory'"
BAD_FILE = "ERR#9 'Bad file descriptor'"


def test_files(truss):
    lines, _ = truss("files")
    assert calls(lines, "open") == [
        line('open("new\\nfile",O_RDWR|O_CREAT|O_TRUNC,0640)', "= 3 (0x3)"),
        line('open("missing",O_RDONLY|O_CLOEXEC)', NO_FILE),
        line("open(0x8,O_RDONLY)", "ERR#14 'Bad address'"),
    ]
    first, second, *_ = calls(lines, "write")
    assert first == line('write(3,"a"b\\\\c\\n\\t\\0\\^A\\M^?",10)', "= 10 (0xa)")
    assert second == line('write(3,"01234567890123456789012345678901"...,40)', "= 40 (0x28)")
    assert calls(lines, "read") == [line('read(3,"a"b\\\\c\\n",6)', "= 6 (0x6)")]
    assert calls(lines, "lseek") == [line("lseek(3,0,SEEK_SET)", "= 0 (0x0)")]
    assert calls(lines, "writev") == [line('writev(3,[{"one",3},{"twothree",8}],2)', "= 11 (0xb)")]
    # What a vector of buffers holds when the call is over.
    assert calls(lines, "preadv") == [line('preadv(3,[{"onetwothree789",14}],1,6)', "= 14 (0xe)")]
    good, bad = calls(lines, "fstat")
    assert re.fullmatch(r"fstat\(3,\{ mode=-rw-r----- ,inode=\d+,size=50,blksize=\d+ \}\)\t* = 0 \(0x0\)", good)
    assert re.fullmatch(rf"fstat\(99,0x[0-9a-f]+\)\t+ {BAD_FILE}", bad)
    assert calls(lines, "fcntl") == [line("fcntl(3,F_SETFD,FD_CLOEXEC)", "= 0 (0x0)")]
    (ioctl,) = calls(lines, "ioctl")
    assert re.fullmatch(r"ioctl\(3,TIOCGETA,0x[0-9a-f]+\)\t+ ERR#25 'Inappropriate ioctl for device'", ioctl)
    assert lines[-2:] == ["exit(0)\t\t\t\t\t\t", "process exit, rval = 0"]


def test_memory(truss):
    lines, _ = truss("memory")
    (mmap,) = calls(lines, "mmap")
    found = re.fullmatch(
        r"mmap\(0x0,8192,PROT_READ\|PROT_WRITE,MAP_PRIVATE\|MAP_ANON,-1,0\) = (\d+) \((0x[0-9a-f]+)\)", mmap
    )
    assert found
    assert int(found[1]) == int(found[2], 16)
    assert calls(lines, "mprotect") == [line(f"mprotect({found[2]},4096,PROT_NONE)", "= 0 (0x0)")]


def test_signals(truss):
    lines, _ = truss("signals")
    (action,) = calls(lines, "sigaction")
    assert re.fullmatch(
        r"sigaction\(SIGUSR1,\{ 0x[0-9a-f]+ SA_RESTART\|SA_SIGINFO ss_t \},0x0\)\t* = 0 \(0x0\)", action
    )
    (kill,) = (number for number, text in enumerate(lines) if text.startswith("kill("))
    assert re.fullmatch(r"SIGNAL 30 \(SIGUSR1\) code=SI_USER pid=\d+ uid=\d+", lines[kill + 1])
    assert re.fullmatch(r"sigreturn\(0x[0-9a-f]+\)\t+ EJUSTRETURN", lines[kill + 2])


def test_processes(truss):
    lines, result = truss("processes")
    assert result.stdout.splitlines() == ["executed", "ok truss.processes"]
    # From the first fork on each line says whose it is.
    first = next(i for i, text in enumerate(lines) if "fork(" in text or "<new process>" in text)
    assert all(re.match(r" *\d+: ", text) for text in lines[first:])
    assert not any(re.match(r" *\d+: ", text) for text in lines[:first])
    parent = next(re.match(r" *(\d+)", text)[1] for text in lines if ": fork()" in text)
    born = [re.match(r" *(\d+)", text)[1] for text in lines if text.endswith(": <new process>")]
    assert len({parent, *born}) == 3
    one, two = (f"= {pid} ({int(pid):#x})" for pid in born)
    (fork,) = (text for text in lines if "fork()" in text and "vfork" not in text)
    assert fork == line(f"{parent:>5}: fork()", one)
    (vfork,) = (text for text in lines if "vfork()" in text)
    assert vfork == line(f"{parent:>5}: vfork()", two)
    assert f"{born[0]:>5}: process exit, rval = 3" in lines
    assert f"{born[1]:>5}: process exit, rval = 5" in lines
    assert line(f"{parent:>5}: wait4({born[0]},{{ EXITED,val=3 }},0x0,0x0)", one) in lines
    missing, good = calls(lines, "execve")
    assert re.fullmatch(rf'execve\("missing",\[ ".*", "@exec", "two words" \],0x[0-9a-f]+\)\t* {NO_FILE}', missing)
    assert re.fullmatch(r'execve\(".*",\[ ".*", "@exec", "two words" \],0x[0-9a-f]+\)\t* EJUSTRETURN', good)
    # The executed program is traced, and knows that it is not alone.
    assert line(f'{born[1]:>5}: write(1,"executed\\n",9)', "= 9 (0x9)") in lines


def test_threads(truss):
    lines, _ = truss("threads")
    assert calls(lines, "close").count(line("close(4000)", BAD_FILE)) == 200
    assert calls(lines, "close").count(line("close(5000)", BAD_FILE)) == 100
    assert len(calls(lines, "thr_exit")) == 2
    lines = [text for text in lines if not text.startswith("-- UNIMPLEMENTED")]
    whole = re.compile(
        r"\w+\(.*\)\t* ( = -?\d+ \(0x[0-9a-f]+\)|ERR#\d+ '.*'|ERESTART)"
        r"|\w+\(.*\)\t* = -?\d+ \(0x[0-9a-f]+\)|(thr_)?exit\(.*\)\t*|process exit, rval = 0"
    )
    assert not [text for text in lines if not whole.fullmatch(text)]


def test_unknown(truss):
    lines, _ = truss("unknown")
    assert lines.count("-- UNKNOWN FreeBSD SYSCALL 9999 --") == 1
    assert len(calls(lines, "#9999")) == 2
    assert calls(lines, "close") == [line("close(99)", BAD_FILE), line("close(98)", BAD_FILE)]
    assert calls(lines, "lseek") == [line("lseek(97,0,SEEK_CUR)", BAD_FILE)]


def test_killed(truss):
    lines, _ = truss("killed")
    fatal = next(number for number, text in enumerate(lines) if "SIGNAL" in text)
    assert re.search(r": SIGNAL 11 \(SIGSEGV\) code=SEGV_MAPERR trapno=12 addr=0x10$", lines[fatal])
    assert lines[fatal + 1].endswith(": process killed, signal = 11")


def test_terminated(truss):
    """A signal that is left to its default, sent by another process."""
    lines, _ = truss("terminated")
    fatal = next(number for number, text in enumerate(lines) if "SIGNAL" in text)
    assert re.search(r": SIGNAL 15 \(SIGTERM\) code=SI_USER pid=\d+ uid=\d+$", lines[fatal])
    assert lines[fatal + 1].endswith(": process killed, signal = 15")


def test_interrupted(truss):
    """The signal's line comes after that of the call that it interrupts."""
    lines, _ = truss("interrupted")
    reads = [(number, text) for number, text in enumerate(lines) if text.startswith("read(")]
    assert reads[0][1].endswith(" ERR#4 'Interrupted system call'")
    assert lines[reads[0][0] + 1].startswith("SIGNAL 14 (SIGALRM)")
    assert reads[1][1].endswith(" ERESTART")
    assert lines[reads[1][0] + 1].startswith("SIGNAL 14 (SIGALRM)")
    assert reads[2][1] == line('read(3,"x",1)', "= 1 (0x1)")


def test_no_sigpipe(lsf, tmp_path):
    """What SO_NOSIGPIPE promises holds under truss."""
    result = lsf(harness.compile_guest("socket"), "no_broken_pipe", env={"LSF_TRUSS": str(tmp_path / "out")})
    result.check(stdout="ok socket.no_broken_pipe\n")
