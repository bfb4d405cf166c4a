"""Set-user-id and set-group-id programs that Linux starts by binfmt_misc with flag C: other ids, P_SUGID, and nothing of
their caller's that matters. In a user namespace with all ids and a binfmt_misc of its own (Linux 6.7), which takes root."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness
import pytest

from lsf.ctl import binfmt

_namespace = pytest.importorskip("lsf._namespace", reason="the extensions are not built")

OWNER, CALLER = 1111, 2222
CLONE_NEWUSER = 0x10000000
#: What a caller could have meant for LSF, or for FreeBSD's rtld.
VARIABLES = {
    "LSF_ENGINE": "ptrace", "LSF_OSRELEASE": "10.1", "LSF_DEBUG": "1", "LSF_PATCH": "0", "LSF_ROOT": "/",
    "LSF_VIEW": "lookup", "LSF_BIND": "/etc:/tmp", "LSF_FAKEROOT": "1", "LSF_CHDIR": "/", "LSF_ARGV0": "me", "LSF_SET_ENV": "A=1",
    "LSF_ROOTS": "/tmp", "HOME": "/tmp", "XDG_CACHE_HOME": "/tmp",
}  # fmt: skip


def map_all_ids(unshare) -> None:
    """Enter a user namespace in which every id is itself. Another process must say so from outside."""
    ready, go = os.pipe()
    pid = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.read(ready, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}", name).write_text("0 0 65536")
        os._exit(0)
    assert unshare(CLONE_NEWUSER) == 0
    os.write(go, b"x")
    os.close(go)
    os.close(ready)
    assert os.waitpid(helper, 0)[1] == 0


class Caller:
    """Starts programs as an ordinary user, where binfmt_misc knows LSF."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        os.chown(self.work, CALLER, CALLER)

    def program(self, name: str, mode: int, uid: int = OWNER, gid: int = OWNER, source: Path | None = None) -> Path:
        path = self.folder / name
        path.write_bytes((source or harness.compile_guest("set_ids")).read_bytes())
        os.chown(path, uid, gid)
        path.chmod(mode)
        return path

    def popen(self, *command, before=None, set_ids: bool = True, env=None, **options) -> subprocess.Popen:
        def prepare() -> None:
            map_all_ids(ctypes.CDLL(None).unshare)
            _namespace.unshare_mounts()
            _namespace.mount_binfmt(binfmt.FOLDER)
            binfmt.install(set_ids)
            if before is not None:
                before()
            os.setgroups([])
            os.setresgid(CALLER, CALLER, CALLER)
            os.setresuid(CALLER, CALLER, CALLER)

        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
        return subprocess.Popen([str(word) for word in command], preexec_fn=prepare, text=True, cwd=self.work,
                                env={"PATH": "/usr/bin:/bin"} | (env or {}), **options)  # fmt: skip

    def __call__(self, *command, **options) -> subprocess.CompletedProcess:
        with self.popen(*command, **options) as process:
            try:
                out, err = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def prints(self, wanted: str, *command, **options) -> None:
        done = self(*command, **options)
        assert (done.stdout, done.stderr, done.returncode) == (wanted, "", 0)


@pytest.fixture(scope="module")
def caller():
    if os.geteuid() != 0:
        harness.not_covered("set-user-id programs", "only root can make files of two users, and map all ids")
    if harness.engine_missing("sud"):
        harness.not_covered("set-user-id programs", "no engine for them")
    folder = Path(tempfile.mkdtemp(prefix="lsf-set-ids-"))
    folder.chmod(0o755)
    try:
        made = Caller(folder)
        if os.statvfs(folder).f_flag & os.ST_NOSUID:
            harness.not_covered("set-user-id programs", "/tmp is mounted nosuid")
        try:
            made("/bin/true")
        except (subprocess.SubprocessError, OSError):
            harness.not_covered("set-user-id programs", "Linux before 6.7, or no user namespaces here")
        yield made
    finally:
        shutil.rmtree(folder)


def ids(sugid: int, uid: tuple[int, int, int], gid: tuple[int, int, int]) -> str:
    return f"{sugid} uid {' '.join(map(str, uid))} gid {' '.join(map(str, gid))}\n"


SAME = (CALLER,) * 3
OTHER = (CALLER, OWNER, OWNER)


def test_ids_and_mark(caller):
    """do_execve: effective and saved ids are the file's; the process is marked from its first instruction."""
    caller.prints(ids(0, SAME, SAME), caller.program("plain", 0o755), "@report")
    caller.prints(ids(1, OTHER, SAME), caller.program("user", 0o4755), "@report")
    caller.prints(ids(1, SAME, OTHER), caller.program("group", 0o2755), "@report")
    caller.prints(ids(1, OTHER, OTHER), caller.program("both", 0o6755), "@report")
    # Whose ids are the caller's already is not marked.
    caller.prints(ids(0, SAME, SAME), caller.program("own", 0o6755, CALLER, CALLER), "@report")
    caller.prints(ids(1, (CALLER, 0, 0), SAME), caller.program("root", 0o4755, 0, 0), "@report")
    caller.prints("ok\n", caller.program("user", 0o4755), "@children")


def test_without_the_flag(caller):
    """As `lsfctl binfmt install` leaves it: the bits mean nothing."""
    caller.prints(ids(0, SAME, SAME), caller.program("both", 0o6755), "@report", set_ids=False)


def test_over_exec(caller):
    """The mark stays while the ids differ, in whatever program, and goes when they do not."""
    user, group, plain = caller.program("user", 0o4755), caller.program("group", 0o2755), caller.program("plain", 0o755)
    caller.prints(ids(1, OTHER, SAME), user, "@exec", plain, "@report")
    caller.prints(ids(1, OTHER, SAME), user, "@exec", plain, "@exec", plain, "@report")
    caller.prints(ids(1, SAME, OTHER), group, "@exec", plain, "@report")
    caller.prints(ids(0, SAME, SAME), user, "@exec_real", plain, "@report")
    caller.prints(ids(0, SAME, SAME), group, "@exec_real", plain, "@report")
    # By a Linux program between them.
    caller.prints(ids(1, OTHER, SAME), user, "@exec", "/usr/bin/env", "A=1", plain, "@report")


def test_set_ids_programs_that_a_guest_executes(caller):
    """docs/user/binfmt.md: Linux executes the image then, which has no such bits, so a guest's exec gives nobody other ids."""
    plain, both = caller.program("plain", 0o755), caller.program("both", 0o6755)
    caller.prints(ids(0, SAME, SAME), plain, "@exec", both, "@report")
    # By a Linux program it does.
    caller.prints(ids(1, OTHER, OTHER), plain, "@exec", "/usr/bin/env", "A=1", both, "@report")


def test_the_callers_environment_is_not_heard(caller):
    """LSF's variables and options mean nothing to it: no engine, release, output or root of the caller's."""
    user = caller.program("user", 0o4755)
    out = caller.work / "truss"
    env = VARIABLES | {"LSF_TRUSS": str(out), "LSF_STATS": f"json:{out}"}
    for argv0 in ("@release", "lsf-handover"):
        done = caller(argv0, "@release", executable=str(user), env=env)
        assert (done.stderr, done.returncode) == ("", 0), done
        assert done.stdout.split() == ["1", "1403000"]
    assert os.listdir(caller.work) == []


def test_the_image_itself_is_set_id(caller):
    """Nobody installs it so; if somebody does, its variables are not the caller's to set."""
    image = caller.program("shim.elf", 0o4755, source=harness.shim_image())
    out = caller.work / "truss"
    done = caller(image, caller.program("plain", 0o755), "@release", env=VARIABLES | {"LSF_TRUSS": str(out)})
    assert (done.stdout, done.stderr, done.returncode) == ("1 1403000\n", "", 0)
    assert os.listdir(caller.work) == []


def test_preloaded_libraries(caller, tmp_path):
    """rtld asks issetugid(2) whether LD_PRELOAD is to be trusted. As a control, other programs do load it."""
    root = harness.root_with("libexec/ld-elf.so.1", "lib/libc.so.7", "usr/include/stdio.h", "usr/lib/crt1.o",
                             covers="LD_PRELOAD in set-user-id programs", releases=(13, 14, 15))  # fmt: skip
    (tmp_path / "evil.c").write_text(
        '#include <unistd.h>\n__attribute__((constructor)) static void evil(void) { write(1, "evil\\n", 5); }\n'
    )
    (tmp_path / "prog.c").write_text(
        '#include <unistd.h>\n#include <stdio.h>\nint main(void) { printf("%d\\n", issetugid()); return 0; }\n'
    )
    evil = harness.compile_dynamic(tmp_path / "evil.c", root, ("-shared", "-fPIC"))
    program = harness.compile_dynamic(tmp_path / "prog.c", root, ())
    inside = caller.folder / "tree"
    shutil.rmtree(inside, ignore_errors=True)
    for name in ("lib", "libexec", "dev", "tmp"):
        (inside / name).mkdir(parents=True)
    for name in ("libexec/ld-elf.so.1", "lib/libc.so.7"):
        shutil.copy(root / name, inside / name)
    (inside / "dev/null").write_bytes(b"")
    shutil.copy(evil, inside / "tmp/evil.so")
    for name, mode in (("plain", 0o755), ("user", 0o4755), ("group", 0o2755)):
        shutil.copy(program, inside / name)
        os.chown(inside / name, OWNER, OWNER)
        (inside / name).chmod(mode)

    def enter() -> None:
        os.chroot(inside)
        os.chdir("/")

    for variable in ("LD_PRELOAD", "LD_PRELOAD_FDS", "LD_LIBMAP"):
        env = {variable: {"LD_PRELOAD_FDS": "3", "LD_LIBMAP": "libc.so.7 /tmp/evil.so"}.get(variable, "/tmp/evil.so")}
        for name in ("/user", "/group"):
            caller.prints("1\n", name, before=enter, env=env)
    caller.prints("evil\n0\n", "/plain", before=enter, env={"LD_PRELOAD": "/tmp/evil.so"})


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_standard_descriptors_are_open(caller, closed):
    """fdcheckstd (sys/kern/kern_descrip.c): /dev/null for reading and writing where nothing is open."""
    user, group, plain = caller.program("user", 0o4755), caller.program("group", 0o2755), caller.program("plain", 0o755)
    other = caller.work / "other"
    other.write_bytes(b"")
    other.chmod(0o666)

    def prepare() -> None:
        fd = os.open(other, os.O_RDWR)
        os.dup2(2, 7)
        for i in range(3):
            os.dup2(fd, i)
        os.close(fd)
        for i in closed:
            os.close(i)

    here = "".join("n" if i in closed else "o" for i in range(3))
    for program, wanted in ((user, here), (group, here), (plain, here.replace("n", "-"))):
        done = caller(program, "@descriptors", wanted, before=prepare, pass_fds=(7,))
        assert done.returncode == 33, (program, done)
    other.unlink()


def test_standard_descriptors_of_proc(caller):
    """fdsetugidsafety: one that is a process's file of /proc gives way to /dev/null; another file of /proc does not."""
    user, plain = caller.program("user", 0o4755), caller.program("plain", 0o755)

    def prepare() -> None:
        os.dup2(2, 7)
        for i, name in enumerate(("/proc/self/status", "/proc/cpuinfo", "/proc/self/fd")):
            fd = os.open(name, os.O_RDONLY)
            os.dup2(fd, i)
            os.close(fd)

    for program, wanted in ((user, "non"), (plain, "ooo")):
        done = caller(program, "@descriptors", wanted, before=prepare, pass_fds=(7,))
        assert done.returncode == 33, (program, done)


def test_without_dev_null(caller):
    """do_execve fails where fdcheckstd does."""
    user = caller.program("user", 0o4755)
    bare = caller.folder / "bare"
    bare.mkdir(exist_ok=True)
    shutil.copy(user, bare / "user")
    os.chown(bare / "user", OWNER, OWNER)
    (bare / "user").chmod(0o4755)

    def prepare() -> None:
        os.close(0)
        os.chroot(bare)
        os.chdir("/")

    done = caller("/user", "@report", before=prepare)
    assert (done.returncode, done.stdout) == (126, "")
    assert "/dev/null" in done.stderr


def test_what_others_see(caller):
    """KERN_PROC shows P_SUGID; Linux lets nobody look into such a process, and it leaves no core."""
    plain = caller.program("plain", 0o755)
    for mode, marked in ((0o4755, 1), (0o755, 0)):
        program = caller.program("waiting", mode)
        with caller.popen(program, "@wait", stdin=subprocess.PIPE) as process:
            first, pid = map(int, process.stdout.readline().split())
            assert (first, pid) == (marked, process.pid)
            owner = os.stat(f"/proc/{pid}/environ").st_uid
            assert owner == (0 if marked else CALLER)
            caller.prints(f"{marked}\n", plain, "@look", str(pid))
            process.communicate("x", timeout=30)
            assert process.returncode == 0


def test_the_stack(caller):
    """Linux cuts the soft limit of such a program to 8 MiB; FreeBSD's default is as for others."""
    if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
        pytest.skip("the hard limit of the stack is not unlimited here")
    program = caller.program("stack", 0o4755, source=harness.compile_guest("stack"))
    caller.prints(f"{512 << 20}\n", program, "@use", str(400 << 20))
