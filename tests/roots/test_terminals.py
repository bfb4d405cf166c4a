"""The shells, the editor and the pager of a real FreeBSD root, used at a terminal as a person does.

On a pseudo-terminal, and in tmux where it is installed. A command asks for a number that is not in its own text
(`echo n$((40+2))`), so that the echo of what is typed is not taken for its answer.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import harness
import pytest
from terminal import Terminal, TmuxTerminal, command_name, status_field, wait_until

PARTS = ("bin", "sbin", "lib", "libexec", "etc", "usr/bin", "usr/sbin", "usr/lib", "usr/share/misc", "var")
NEEDED = ("bin/sh", "bin/tcsh", "usr/bin/vi", "usr/bin/less", "usr/share/misc/termcap.db")
CTRL = {letter: chr(ord(letter) & 0x1F) for letter in "ACDEHUZ\\"}
ESCAPE = "\x1b"
UP = "\x1b[A"

pytestmark = [pytest.mark.engines("sud", "ptrace"), pytest.mark.alone]  # who types waits for answers


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """FreeBSD's base system."""
    source = harness.root_with(*NEEDED, covers="FreeBSD's shells, vi and less at a terminal", releases=(10, 11))
    copy = harness.copy_root(source, tmp_path_factory.mktemp("terminals"), PARTS)
    for folder in ("var/tmp", "var/run"):
        (copy / folder).mkdir(parents=True, exist_ok=True)
    return copy


@pytest.fixture(params=["pty", "tmux"])
def start(request, lsf, root, tmp_path):
    """`start(program, *arguments)` runs a program of the root at a terminal, in an empty folder."""
    if request.param == "tmux" and (reason := TmuxTerminal.missing()):
        harness.missing_tool("FreeBSD programs in tmux", reason)
    opened = []

    def run(*command: str):
        env = os.environ | {"SHELL": "/bin/sh", "PATH": "/bin:/usr/bin:/sbin:/usr/sbin", "LANG": "C", "LC_ALL": "C", "PS1": "$ ",
                            "TERM": TmuxTerminal.TERM if request.param == "tmux" else "xterm",
                            "PYTHONPATH": str(harness.PACKAGE_PARENT), "HOME": str(lsf.cwd), "ENV": ""}  # fmt: skip
        whole = [sys.executable, "-P", "-m", "lsf.start.cli", "--engine", lsf.mode, "--root", str(root), "--chdir", str(lsf.cwd),
                 "--", *command]  # fmt: skip
        opened.append(TmuxTerminal(whole, env, tmp_path) if request.param == "tmux" else Terminal(whole, env))
        opened[-1].resize(24, 80)
        return opened[-1]

    yield run
    for one in opened:
        one.close()


@pytest.fixture
def sh(start):
    """FreeBSD's /bin/sh, ready."""
    t = start("/bin/sh")
    t.send("echo ready$((1+1))\n")
    t.expect("ready2")
    return t


@pytest.fixture
def tcsh(start):
    """FreeBSD's tcsh, ready."""
    t = start("/bin/tcsh", "-f")
    t.send("@ n = 1 + 1; echo ready$n\n")
    t.expect("ready2")
    return t


def say(t, text: str) -> None:
    """Have a shell print `text` with a 7 behind it, and wait for that and for its prompt: what is typed before it is a
    line of the terminal's own, in which ^D is the end of the file."""
    t.send(f"echo {text}`expr 3 + 4`\n")
    t.expect(rf"{text}7\s[^#$>%]*[#$>%]")


def test_sh_jobs(sh):
    sh.send("sleep 100\n")
    wait_for_job(sh, "sleep")
    sh.send(CTRL["Z"])
    sh.expect(r"Suspended +sleep 100")
    sh.send("jobs -l; echo n$((20+1))\n")
    sh.expect(r"\[1\] \+ \d+ Suspended +sleep 100")
    sh.expect("n21")
    sh.send("fg\n")
    wait_for_job(sh, "sleep")
    sh.send(CTRL["C"])
    sh.send("echo status$(($?+1))\n")
    sh.expect("status131")
    sh.send("sleep 0.2 & wait; echo n$((30+1))\n")
    sh.expect("n31")
    sh.send("sleep 100 | cat\n")
    wait_for_job(sh, "sleep", "cat")
    sh.send(CTRL["Z"])
    sh.expect(r"Suspended +sleep 100 \| cat")
    sh.send("bg; kill %1; wait; echo n$((40+1))\n")
    sh.expect("n41")
    sh.send("exit 5\n")
    assert sh.wait() in (5, None)


def stat_field(pid: int, number: int) -> int:
    """A field of /proc/PID/stat, as proc(5) numbers them."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[number - 3])


def foreground(pid: int) -> int:
    """The process group in the foreground of a process's terminal."""
    return stat_field(pid, 8)


def children(pid: int) -> list[int]:
    """The processes that a process's first thread has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_job(t, *names: str) -> None:
    """Until the terminal is a job's of these programs, and the shell's forks of them have become them."""

    def there() -> bool:
        try:
            group = foreground(t.pid)
            members = [pid for pid in harness.session_members(os.getsid(t.pid)) if stat_field(pid, 5) == group]
            return {command_name(pid) for pid in members} == set(names)
        except (FileNotFoundError, ProcessLookupError):
            return False

    wait_until(there, f"{' and '.join(names)} in the foreground", 30)


def test_sh_background_and_the_terminal(sh):
    sh.send("cat &\n")
    sh.send("sleep 0.3; jobs\n")
    sh.expect(r"Stopped \(tty input\) +cat")
    sh.send("fg\n")
    wait_for_job(sh, "cat")
    sh.send("two words\n")
    sh.expect(r"two words\s+two words")
    sh.send(CTRL["D"])
    say(sh, "after")
    sh.send("stty tostop; (echo from behind) & sleep 0.3; jobs\n")
    sh.expect(r"Stopped \(tty output\)")
    sh.send("stty -tostop; fg\n")
    sh.expect(r"\sfrom behind")
    say(sh, "end")


def test_sh_line_editing(sh):
    sh.send("set -o emacs\n")
    say(sh, "emacs")
    sh.send("cho a`expr 1 + 1`" + CTRL["A"] + "e" + CTRL["E"] + "b\n")
    sh.expect("a2b")
    sh.send("nonsense" + CTRL["U"] + "echo c`expr 2 + 1`x" + CTRL["H"] + "\n")
    sh.expect(r"c3\s")
    sh.send("echo d`expr 3 + 1`\n")
    sh.expect("d4")
    sh.send(UP + "e\n")
    sh.expect("d4e")
    sh.send("set -o vi\n")
    say(sh, "vi")
    sh.send("echo f`expr 4 + 1`gg")
    sh.expect("gg")
    sh.send(ESCAPE)
    sh.send("x")
    sh.send("\n")
    sh.expect(r"f5g\s")


def test_sh_knows_its_terminal(sh):
    sh.send("tty; stty -a | head -1; tput cols\n")
    name = sh.expect(r"/dev/pts/\d+")[0]
    sh.expect(r"baud; 24 rows; 80 columns;")
    sh.send("tty < /dev/tty | sed 's/^/same as /'\n")
    sh.expect(f"same as {name}")
    sh.send("trap 'echo now $(stty size)' WINCH\n")
    say(sh, "trap")
    sh.resize(30, 91)
    sh.send("\n")
    sh.expect("now 30 91")
    sh.send("stty -echo; echo quiet$((2+2)); read x; stty echo; echo got${x}\n")
    sh.expect("quiet4")
    sh.send("secret\n")
    sh.expect("gotsecret")
    sh.send("ps -o tty,stat,comm | sed 's/^/ps: /'\n")
    sh.expect(r"ps: pts/\d+ +S\w* +sh")


def test_tcsh_jobs(tcsh):
    tcsh.send("sleep 100\n")
    wait_for_job(tcsh, "sleep")
    tcsh.send(CTRL["Z"])
    tcsh.expect("Suspended")
    tcsh.send("jobs\n")
    tcsh.expect(r"\[1\] +\+ Suspended +sleep 100")
    tcsh.send("bg\n")
    tcsh.expect(r"\[1\] +sleep 100 &")
    tcsh.send("kill %1\n")
    say(tcsh, "killed")
    tcsh.send("cat &\n")
    tcsh.send("sleep 0.3\n")
    tcsh.send("jobs\n")
    tcsh.expect(r"Suspended \(tty input\) +cat")
    tcsh.send("%\n")
    wait_for_job(tcsh, "cat")
    tcsh.send("some text\n")
    tcsh.expect(r"some text\s+some text")
    tcsh.send(CTRL["D"])
    say(tcsh, "after")
    tcsh.send("sleep 100 | cat\n")
    wait_for_job(tcsh, "sleep", "cat")
    tcsh.send(CTRL["C"])
    say(tcsh, "interrupted")
    tcsh.send("/bin/sleep 100\n")
    wait_for_job(tcsh, "sleep")
    tcsh.send(CTRL["\\"])
    tcsh.expect("Quit")
    tcsh.send("sh -c 'kill -SEGV $$'\n")
    tcsh.expect("Segmentation fault")
    tcsh.send("exit 3\n")
    assert tcsh.wait() in (3, None)


def test_tcsh_line_editing(tcsh):
    tcsh.send("set filec autolist\n")
    say(tcsh, "set")
    tcsh.send("echo /usr/share/mis\tterm\t\n")
    tcsh.expect(r"\n/usr/share/misc/termcap\s")  # what echo prints; how the line is drawn does not matter
    say(tcsh, "completed")
    tcsh.send("xecho a`expr 1 + 1`b" + CTRL["A"] + CTRL["D"] + "\n")
    tcsh.expect("a2b")
    tcsh.send(UP + CTRL["H"] + "c\n")
    tcsh.expect("a2c")


def test_vi(sh, lsf):
    sh.send("vi note\n")
    sh.expect("note: new file")
    sh.send("ihello world\nsecond line")
    sh.expect("second line")
    sh.send(ESCAPE + ":set number\n")
    sh.expect(r"1\s+hello")
    sh.send(":!echo sub`expr 5 + 5`\n")
    sh.expect("sub10")
    sh.expect("Press any key")
    sh.send("\n")
    sh.expect(r"1\s+hello")
    sh.send(CTRL["Z"])
    sh.expect(r"Suspended +vi note")
    sh.forget()
    sh.send("fg\n")
    sh.expect("hello world")  # it throws away what was typed before it has drawn its screen anew
    sh.send(":1s/world/there/\n")
    sh.expect("there")
    sh.send(":wq\n")
    wait_for_job(sh, "sh")
    say(sh, "written")
    assert (lsf.cwd / "note").read_text() == "hello there\nsecond line\n"


def stopped(t) -> bool:
    """Whether the terminal soon is its shell's again."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if command_name(foreground(t.pid)) == "sh":
            return True
        time.sleep(0.05)
    return False


def test_less(sh, lsf):
    (lsf.cwd / "text").write_text("".join(f"line number {n}\n" for n in range(1, 301)))
    sh.send("less text\n")
    sh.expect("line number 23")
    sh.send(" ")
    sh.expect("line number 46")
    sh.send("/number 250\n")
    sh.expect("line number 272")
    sh.send("G")
    sh.expect("line number 300")
    sh.send("!echo sub`expr 6 + 6`\n")
    sh.expect("sub12")
    sh.expect("press RETURN")
    sh.forget()
    sh.send("\n")
    sh.expect(r"\(END\)")
    wait_until(lambda: status_field(foreground(sh.pid), "State") == "S", "less to read", 30)
    sh.send(CTRL["Z"])
    if not stopped(sh):
        sh.send(CTRL["L"])  # a stop between less's look for one and its read waits for the next key
    sh.expect(r"Suspended +less text")
    sh.forget()
    sh.send("fg\n")
    sh.expect("line number 300")
    sh.send("q")
    wait_for_job(sh, "sh")
    say(sh, "left")
    sh.send("more text\n")
    sh.expect(r"--More--")
    sh.send("q")
    wait_for_job(sh, "sh")
    say(sh, "done")


def test_script_is_a_terminal_in_the_terminal(sh, lsf):
    sh.send("script -q typed\n")
    # It throws away what was typed before its shell is there.
    wait_for_job(sh, "script")
    wait_until(lambda: children(foreground(sh.pid)), "script's shell", 30)
    say(sh, "inside")
    sh.send("tty; ps -o tty,comm\n")
    sh.expect(r"\d+ +sh\s")
    sh.send("exit\n")
    wait_for_job(sh, "sh")
    say(sh, "outside")
    typed = (lsf.cwd / "typed").read_text()
    assert "inside7" in typed and "outside" not in typed
    assert re.search(r"^/dev/pts/\d+$", typed, re.MULTILINE)
