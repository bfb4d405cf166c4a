"""The view by look-up (lsf/start/rules.py, lsf/machine/view/lookup.pxi): what a path means, and FreeBSD programs that live by it."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
import pytest
import test_guests
from hypothesis import given, settings
from hypothesis import strategies as st
from test_guests import known_gap  # noqa: F401  the gaps are the same here

from lsf import _shim
from lsf.start import plan
from lsf.start import rules as view_rules
from lsf.start.errors import LaunchError

LOOKUP = ("--view", "lookup")

# ---------------------------------------------------------------- the guests' own cases, every path by rules

GUESTS = (
    "dirs",
    "efault",
    "files_attr",
    "files_compat",
    "files_copy",
    "files_fcntl",
    "files_io",
    "files_names",
    "files_open",
    "hostile",
    "kqueue_fd",
    "vnode",
    "local_names",
    "proc_exec",
    "proc_fork",
    "shm",
    "socket",
    "start",
    "statfs",
    "truss",
)
#: chroot is refused in this view; the address of a local socket that leads up or over a link is named by where it leads.
NOT_HERE = {
    ("hostile", "chroot_without_proc"), ("local_names", "spellings"), ("local_names", "random_addresses"),
}  # fmt: skip
CASES = [
    (guest, case)
    for guest in GUESTS
    for case in harness.guest_cases(harness.guest_source(guest))
    if (guest, case) not in NOT_HERE
]


@pytest.mark.engines("sud-cli")
@pytest.mark.parametrize(("guest", "case"), CASES, ids=[f"{guest}.{case}" for guest, case in CASES])
def test_guest(lsf, tmp_path, guest, case):
    root = tmp_path / "root"
    (root / "libexec").mkdir(parents=True)
    test_guests.run_case(functools.partial(lsf, options=[*LOOKUP, "--root", str(root)]), guest, case)


# ---------------------------------------------------------------- what a path means


def found(rules: dict[str, object], path: str, follow: bool = True, directory: int = -100) -> str | int | None:
    pairs = sorted(rules.items(), key=lambda rule: len(rule[0]), reverse=True)
    result = _shim.lookup(
        [(os.fsencode(a), os.fsencode(str(b))) for a, b in pairs], os.fsencode(path), follow, directory
    )
    return os.fsdecode(result) if isinstance(result, bytes) else result


@pytest.fixture
def tree(tmp_path):
    """A root with links, and a host beside it."""
    for folder in ("root/usr/lib/deep", "root/etc", "root/bin", "host/home/me"):
        (tmp_path / folder).mkdir(parents=True)
    root = tmp_path / "root"
    (root / "usr/lib/file").write_text("")
    for name, target in (
        ("lib", "/usr/lib"),
        ("rel", "usr/lib"),
        ("up", "usr/../etc"),
        ("out", "/home/me"),
        ("loop", "loop"),
        ("etc/localtime", "../usr/lib/file"),
        ("above", "../../../../etc"),
        ("dangling", "/usr/new"),
    ):
        (root / name).symlink_to(target)
    return tmp_path


def rules_of(tree: Path) -> dict[str, object]:
    root = tree / "root"
    names = {f"/{name}": root / name for name in os.listdir(root)}
    return {**names, "/home": tree / "host/home", "/proc": "/proc", "/dev": "/dev", "/etc/hosts": "/etc/hosts", "": ""}


@pytest.mark.parametrize(
    ("path", "followed", "own"),
    [
        ("/usr/lib/file", "root/usr/lib/file", ...),
        ("//usr//lib/./file", "root/usr/lib/file", ...),
        ("/lib", "root/usr/lib", "root/lib"),
        ("/lib/file", "root/usr/lib/file", ...),
        ("/lib/", "root/usr/lib/", ...),
        ("/rel/deep", "root/usr/lib/deep", ...),
        ("/up", "root/etc", "root/up"),
        ("/out", "host/home/me", "root/out"),
        ("/out/..", "host/home", ...),
        ("/home/../etc", "root/etc", ...),
        ("/etc/localtime", "root/usr/lib/file", "root/etc/localtime"),
        ("/above/localtime", "root/usr/lib/file", "root/etc/localtime"),
        ("/usr/nothing/../x", "root/usr/nothing/../x", ...),
        ("/dangling", "root/usr/new", "root/dangling"),
        ("/usr/lib/file/", "root/usr/lib/file/", ...),
        ("/etc/hosts", "/etc/hosts", ...),
        ("/etc/hosts2", "root/etc/hosts2", ...),
        ("/dev/fd/0", "/dev/fd/0", ...),
        ("/proc/self/cwd/x", "/proc/self/cwd/x", ...),
        ("/", "/", ...),
        ("/..", "/", ...),
        ("/nosuch/x", "/nosuch/x", ...),
    ],
)
def test_paths(tree, path, followed, own):
    def place(text):
        return text if text.startswith("/") else f"{tree}/{text}"

    rules = rules_of(tree)
    assert found(rules, path) == place(followed)
    assert found(rules, path, follow=False) == place(followed if own is ... else own)


def test_errors_are_linuxs(tree):
    rules = rules_of(tree)
    assert found(rules, "/loop") == errno.ELOOP
    assert found(rules, "/loop", follow=False) == str(tree / "root/loop")
    assert found(rules, "/usr/lib/file/..") == errno.ENOTDIR
    assert found(rules, "/usr/" + "x/" * 2045) == errno.ENAMETOOLONG
    assert found(rules, "/x" * 2100) is None  # Linux says it
    assert found(rules, "") is None


def test_relative_paths(tree, monkeypatch):
    """Plain names stay as they are, so that a folder that was moved, or lies below a closed one, serves."""
    rules = rules_of(tree)
    monkeypatch.chdir(tree / "root/usr")
    folder = os.open(tree / "root/usr", os.O_PATH)
    for directory in (-100, folder):
        assert found(rules, "lib/file", directory=directory) is None
        assert found(rules, "nothing/x", directory=directory) is None
        assert found(rules, "../lib/file", directory=directory) == str(tree / "root/usr/lib/file")
        assert found(rules, "../../home", directory=directory) == str(tree / "host/home")
    assert found(rules, "lib", directory=0) is None or os.path.isdir("/proc/self/fd/0")
    assert found(rules, "lib", directory=9999) is None
    os.close(folder)
    monkeypatch.chdir(tree / "root/etc")
    assert found(rules, "hosts") == "/etc/hosts"
    assert found(rules, "localtime") == str(tree / "root/usr/lib/file")
    monkeypatch.chdir("/")
    assert found(rules, "usr/lib") == str(tree / "root/usr/lib")
    top = tree / "top"
    top.mkdir()
    monkeypatch.chdir(top)
    assert found({**rules, "/": top}, "home/me") == str(tree / "host/home/me")
    assert found({**rules, "/": top}, ".") == str(top)


NAMES = st.sampled_from(["a", "b", "c", ".", "..", ""])
TARGETS = st.tuples(st.sampled_from(["", "/"]), st.lists(NAMES, min_size=1, max_size=4)).map(
    lambda t: t[0] + "/".join(t[1])
)


def resolve_in_root(root: int, path: str) -> str | int:
    """Linux's own opinion: openat2 with RESOLVE_IN_ROOT. EAGAIN says that something on the machine was renamed or mounted meanwhile."""
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC, 0, 0x10)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = -1
    ctypes.set_errno(errno.EAGAIN)
    while fd < 0 and ctypes.get_errno() == errno.EAGAIN:
        fd = libc.syscall(437, root, os.fsencode(path), how, ctypes.sizeof(how))
    if fd < 0:
        return ctypes.get_errno()
    name = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return name


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "a/b", "a/c"]), TARGETS), max_size=6), TARGETS)
def test_links_are_walked_as_linux_walks_them(links, path):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        for name in ("a", "b", "a/b", "c"):
            if not any(link[0] == name for link in links) and (top / name).parent.is_dir():
                (top / name).mkdir()
        for name, target in links:
            if target and (top / name).parent.is_dir() and not os.path.lexists(top / name):
                (top / name).symlink_to(target)
        root = os.open(top, os.O_PATH)
        try:
            expected = resolve_in_root(root, "/" + path)
            if expected == errno.ENOSYS:
                harness.not_covered("links against openat2", "Linux before 5.6")
            result = found({"": top}, "/" + path)
            if isinstance(result, str):
                try:
                    opened = os.open(result, os.O_PATH | os.O_NOFOLLOW)
                    result = os.readlink(f"/proc/self/fd/{opened}")
                    os.close(opened)
                except OSError as error:
                    result = error.errno
            assert result == expected
        finally:
            os.close(root)


# ---------------------------------------------------------------- the rules


def test_rules_of_the_merged_view(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    for folder in ("usr/lib", "etc", "var", "home", "dev"):
        (root / folder).mkdir(parents=True)
    (root / "sys").symlink_to("usr/src/sys")
    rules = dict(view_rules.make(str(root), False, [plan.Bind(f"{tmp_path}:/usr/bound")], "/usr/share"))
    assert {
        name: rules[name] for name in ("/usr", "/etc", "/var", "/sys", "/usr/bound", "/dev", "/proc", "", "/usr/share")
    } == {
        "/usr": f"{root}/usr",
        "/etc": f"{root}/etc",
        "/var": f"{root}/var",
        "/sys": f"{root}/sys",
        "/usr/bound": str(tmp_path),
        "/dev": "/dev",
        "/proc": "/proc",
        "": "",
        "/usr/share": "/usr/share",
    }
    assert "/home" not in rules
    assert "/tmp" not in rules
    assert os.path.dirname(rules["/etc/passwd"]).startswith(str(tmp_path / "cache"))
    assert set(os.listdir(rules["/"])) >= {"usr", "etc", "var", "sys", "home", "tmp"}
    assert os.readlink(f"{rules['/']}/sys") == "usr/src/sys"
    lengths = [len(name) for name, _ in view_rules.make(str(root), False, [], "/")]
    assert lengths == sorted(lengths, reverse=True)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    without = dict(view_rules.make(str(root), False, [], "/"))
    assert "/etc/passwd" not in without
    assert without["/etc/hosts"] == "/etc/hosts"
    assert "/" not in without


def test_what_rules_cannot_do_is_said(tmp_path):
    (tmp_path / "usr").mkdir()
    for bind in (f"{tmp_path}:/usr/x:ro", "/nonexistent:/usr/x"):
        with pytest.raises(LaunchError, match="--bind"):
            view_rules.make(str(tmp_path), False, [plan.Bind(bind)], "/")
    many = [plan.Bind(f"/tmp:/usr/{number}") for number in range(300)]
    with pytest.raises(LaunchError, match="256"):
        view_rules.make(str(tmp_path), False, many, "/")


# ---------------------------------------------------------------- FreeBSD's programs, by mounts and by rules


def ways() -> list[str]:
    return ["namespace", "lookup"]


@pytest.fixture(params=ways())
def way(request, tmp_path):
    """A view of each kind: what one shows, the other shows too."""
    if (
        request.param == "namespace"
        and subprocess.run(
            ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-m", "true"], capture_output=True, check=False
        ).returncode
    ):
        harness.not_covered(
            "the scripts of the view by look-up in one by mounts", "mount namespaces are not allowed here"
        )
    return request.param


@pytest.fixture
def own_root(tmp_path):
    """busybox's root, with links and a script of the test's own."""
    original = harness.root_with("bin/busybox", "bin/sh", covers="scripts in a view by look-up")
    root = harness.copy_root(original, tmp_path / "root", [name for name in os.listdir(original) if name != "dev"])
    (root / "usr/libdata").mkdir(parents=True)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/tool").write_text('#!/bin/sh -e\necho "tool $0 $*"\n')
    (root / "usr/bin/tool").chmod(0o755)
    (root / "var/db").mkdir(parents=True)
    (root / "data").symlink_to("/usr/libdata")
    (root / "usr/libdata/text").write_text("from the root\n")
    (root / "usr/libdata/abs").symlink_to("/data/text")
    (root / "usr/libdata/me").symlink_to(tmp_path / "work")
    return root


SCRIPT = r"""
set -e
here=$PWD
echo new > file; cat file
cd /data; pwd -P; cat text abs ../libdata/text /data/../libdata/abs
readlink /data; readlink abs
cd me; pwd -P | sed "s,$here,HERE,"; cat file
cd /; ls -d bin usr data >/dev/null; cat data/text
cd usr; echo made > libdata/made; cat /data/made; mkdir -p libdata/d/e; mv libdata/made libdata/d/e/moved; rm -r libdata/d
ln -s /data/text libdata/link; cat libdata/link; ls -l libdata/link | sed 's/.*-> //'
cp /data/text "$here/copy"; cmp /data/text "$here/copy"
tool one two; cd bin; ./tool three; PATH=. tool four
cd "$here"
printf '#!/usr/bin/tool x\n' > script; chmod +x script; ./script || echo "status $?"
printf '#!/bin/sh\necho script $0 $1; cat /data/text\n' > script; chmod +x script; ./script a; "$here/script" b | sed "s,$here,HERE,"
[ -e /usr/nothing ] || echo no; [ -d /data/ ] && echo folder; [ -L /data ] && echo link
test -c /dev/null && echo device; echo x > /dev/null; echo "by fd" > /dev/fd/1
(cd /data && find . -type l | sort)
echo 'echo sourced' > s; . ./s
tar cf - -C /data text abs | tar tf -
rm /data/link; exec /bin/sh -c 'echo last; cat /data/text'
"""

OUTPUT = """new
/usr/libdata
from the root
from the root
from the root
from the root
/usr/libdata
/data/text
HERE
new
from the root
made
from the root
/data/text
tool /usr/bin/tool one two
tool ./tool three
tool ./tool four
{nested}script ./script a
from the root
script HERE/script b
from the root
no
folder
link
device
by fd
./abs
./link
./me
sourced
text
abs
last
from the root
"""


@pytest.mark.engines("sud-cli", "ptrace")
@pytest.mark.parametrize("isolated", [False, True], ids=["merged", "isolated"])
def test_a_shells_script(lsf, own_root, way, isolated, tmp_path):
    """Links, scripts, folders, renames, pipes: of the root's and of the host's, in the same words."""
    options = ["--view", way, "--root", str(own_root)]
    if isolated:
        options += ["--isolated", "--bind", str(lsf.cwd), "--chdir", str(lsf.cwd)]
    result = lsf("sh", "-c", SCRIPT, options=options, env={"PATH": "/bin:/usr/bin"})
    nested = "".join(line + "\n" for line in result.stdout.splitlines() if line.startswith("status "))
    assert result.stdout == OUTPUT.format(nested=nested), result.explain()
    assert nested in ("status 126\n", "status 127\n", "status 2\n"), (
        nested
    )  # a script as interpreter: ELOOP, as the shell puts it
    assert result.returncode == 0
    assert (lsf.cwd / "copy").read_text() == "from the root\n"
    assert not (own_root / "usr/libdata/link").is_symlink()


@pytest.mark.engines("sud-cli")
def test_a_root_behind_a_link(lsf, own_root, way):
    """Linux tells the current directory without links; it is the program's nevertheless."""
    link = lsf.cwd / "link"
    link.symlink_to(own_root)
    script = (
        "cd /data; pwd -P; cat ../libdata/abs; cd /; pwd -P; cd usr; pwd -P; cd ..; cd /var/db; pwd -P; ls -d ../../usr"
    )
    lsf("sh", "-c", script, options=["--view", way, "--root", str(link)], env={"PATH": "/bin"}).check(
        "/usr/libdata\nfrom the root\n/\n/usr\n/var/db\n../../usr\n"
    )


@pytest.mark.engines("sud-cli")
def test_by_a_filter(lsf, own_root):
    """The engine of older kernels."""
    if reason := harness.engine_missing("trap"):
        harness.not_covered("the view by look-up on engine trap", reason)
    command = lsf.command("sh", "-c", "cat /data/text; tool x; cd /data; pwd -P", options=["--root", str(own_root)])
    done = harness.run_as_user(command, lsf.environment({"PATH": "/bin:/usr/bin", "LSF_ENGINE": "trap"}), lsf.cwd)
    assert (done.stdout, done.stderr) == ("from the root\ntool /usr/bin/tool x\n/usr/libdata\n", "")


@pytest.mark.engines("sud-cli")
def test_the_top_is_listed(lsf, own_root, way):
    """With the names of both, as they are there."""
    script = "cd /; ls | grep -x -e data -e usr -e tmp -e var -e bin; pwd; cat data/text; ls -d */ | grep -c -x usr/"
    lsf("sh", "-c", script, options=["--view", way, "--root", str(own_root)], env={"PATH": "/bin"}).check(
        "bin\ndata\ntmp\nusr\nvar\n/\nfrom the root\n1\n"
    )


@pytest.mark.engines("sud-cli")
def test_truss_shows_the_programs_own_paths(lsf, own_root):
    result = lsf("/bin/cat", "/data/text", options=[*LOOKUP, "--truss", "--root", str(own_root)]).check(
        "from the root\n", stderr=None
    )
    assert 'open("/data/text"' in result.stderr or ',"/data/text",' in result.stderr
    assert str(own_root) not in result.stderr


def freebsd_root() -> Path:
    return harness.root_with(
        "bin/sh",
        "usr/bin/procstat",
        "bin/pwd",
        "bin/realpath",
        "bin/tcsh",
        "usr/bin/find",
        "usr/bin/env",
        "usr/bin/mktemp",
        covers="FreeBSD's programs in a view by look-up",
    )


@pytest.mark.engines("sud-cli", "ptrace")
def test_freebsds_dynamic_programs(lsf, way):
    script = r"""
        here=$PWD; cd /usr/share; /bin/pwd; realpath ../lib/../bin/env /lib/libc.so.7; cd "$here"
        /bin/tcsh -fc 'echo $0 $cwd' | sed "s,$here,HERE,"
        procstat -b $$ | awk 'NR == 2 {print $4}'
        cd /etc; procstat -f $$ | awk '$3 == "cwd" {print $NF}'; exec 3< defaults/rc.conf
        procstat -f $$ | awk '$3 == 3 {print $NF}'
        find /etc/defaults -name 'rc.*'; head -1 /etc/master.passwd > /dev/null; id -un > "$here/who"
        printf '#!/usr/bin/env sh\necho env $0\n' > "$here/script"; chmod +x "$here/script"; cd "$here"; ./script
        sysctl -n kern.ostype; env -i /bin/sh -c 'echo $PATH' > /dev/null
        t=$(mktemp -d /tmp/lsf.XXXXXX); cd $t; ln -s /etc/defaults d; ls d/rc.conf; cd d; pwd -P; cd /; rm -r $t
        # More than the 1024 bytes of __getcwd(2): getcwd(3) then goes up, and searches for the file number of each folder.
        t=$(mktemp -d /tmp/lsf.XXXXXX); cd $t; d=$(printf %0190d 0 | tr 0 =)
        for i in 1 2 3 4 5 6 7; do mkdir $d; cd $d; done; /bin/pwd | tr -d = | wc -c; cd /; rm -r $t
    """
    lsf(
        "/bin/sh",
        "-c",
        script,
        options=["--view", way, "--root", str(freebsd_root())],
        env={"PATH": "/bin:/usr/bin:/sbin"},
    ).check(
        "/usr/share\n/usr/bin/env\n/lib/libc.so.7\n/bin/tcsh HERE\n/bin/sh\n/etc\n/etc/defaults/rc.conf\n"
        "/etc/defaults/rc.conf\nenv ./script\nFreeBSD\nd/rc.conf\n/etc/defaults\n      23\n",
        stderr="",
    )


@pytest.mark.engines("sud-cli")
def test_local_sockets(lsf, way):
    """An address names a file, as any path does: syslog's socket in the root, one of the host's in /tmp."""
    original = harness.root_with("bin/sh", "usr/bin/nc", covers="local sockets in a view by look-up")
    root = harness.copy_root(original, lsf.cwd.parent / "root", ["bin", "lib", "libexec", "usr", "etc", "var"])
    folder = tempfile.mkdtemp(dir="/tmp")
    try:
        place = root / "var/run/s"
        place.parent.mkdir(parents=True, exist_ok=True)
        for path, name in ((place, "/var/run/s"), (Path(folder, "s"), f"{folder}/s")):
            fd = os.open(path.parent, os.O_PATH)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(f"/proc/self/fd/{fd}/s")
                os.close(fd)
                server.listen()
                process = subprocess.Popen(
                    lsf.command("/usr/bin/nc", "-U", name, options=["--view", way, "--root", str(root)]),
                    env=lsf.environment({}),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                server.settimeout(30)
                connection, _ = server.accept()
                connection.sendall(b"hello\n")
                connection.close()
                out, err = process.communicate(timeout=30)
                assert (out, err) == (b"hello\n", b"")
    finally:
        shutil.rmtree(folder)


@pytest.mark.engines("sud-cli")
def test_names_of_local_sockets(lsf):
    """A socket below the root is named as the guest sees it, with the length that it was bound with."""
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="r"))  # which leaves room in an address
    try:
        (root / "libexec").mkdir()
        program = harness.compile_guest("local_names")
        lsf(program, "@in_a_root", options=[*LOOKUP, "--root", str(root)]).check("", status=9)
    finally:
        shutil.rmtree(root)


# ---------------------------------------------------------------- where nothing else is allowed


@pytest.mark.engines("sud-cli", "ptrace")
@pytest.mark.parametrize("uid", [1000, 0], ids=["a user", "a container's root"])
@pytest.mark.parametrize("isolated", [False, True], ids=["merged", "isolated"])
def test_the_last_way_is_taken_by_itself(lsf, own_root, uid, isolated):
    options = ["--debug", "--root", str(own_root), *(["--isolated"] if isolated else [])]
    env = lsf.environment({"PATH": "/bin"})
    command = lsf.command(
        "sh", "-c", "pwd; cat /data/text; cd /usr/libdata; pwd; tool x; ls -l /data | sed 's/.*-> //'", options=options
    )
    done = harness.run_as_user(command, {**env, "PATH": "/bin:/usr/bin"}, lsf.cwd, uid)
    start = "/" if isolated else str(lsf.cwd)
    assert done.stdout == f"{start}\nfrom the root\n/usr/libdata\ntool /usr/bin/tool x\n/usr/libdata\n", done.stderr
    assert done.returncode == 0
    first = done.stderr.splitlines()[0]
    assert first.startswith("lsf: no mount namespaces (")
    assert str(own_root) in first


@pytest.mark.engines("sud-cli")
def test_binds_by_rules(lsf, own_root, tmp_path):
    (lsf.cwd / "mine").mkdir()
    (lsf.cwd / "mine/text").write_text("bound\n")
    script = "cat /usr/local/deep/text; cd /usr/local/deep; pwd; cat ../deep/text"
    bind = ["--bind", f"{lsf.cwd}/mine:/usr/local/deep"]
    for more in (["--root", str(own_root)], ["--root", str(own_root), "--isolated"]):
        command = lsf.command("/bin/sh", "-c", script, options=[*more, *bind])
        done = harness.run_as_user(command, lsf.environment({"PATH": "/bin"}), lsf.cwd)
        assert (done.stdout, done.stderr) == ("bound\n/usr/local/deep\nbound\n", "")
    done = harness.run_as_user(
        lsf.command("/bin/sh", options=["--root", str(own_root), "--bind", f"{lsf.cwd}:/x:ro"]),
        lsf.environment({}),
        lsf.cwd,
    )
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith(f"lsf: --bind {lsf.cwd}:/x:ro: ")


@pytest.mark.engines("sud-cli")
def test_statuses(lsf, own_root):
    """What goes wrong before the program runs is said as in the other views."""

    def run(*arguments, options=()):
        return lsf(*arguments, options=[*LOOKUP, "--root", str(own_root), *options], env={"PATH": "/bin:/usr/bin"})

    assert (run("/data/nothing").returncode, run("nothing").returncode) == (127, 127)
    assert run("/data/text").returncode == 126
    assert run("/data/text").stderr.startswith("lsf: /data/text: ")
    result = run("sh", options=["--chdir", "/data/nothing"])
    assert (result.returncode, result.stderr) == (125, "lsf: --chdir /data/nothing: not found\n")
    run("sh", "-c", "pwd", options=["--chdir", "/data"]).check("/usr/libdata\n")
    run("sh", "-c", "exit 7").check(status=7)


@pytest.mark.parametrize("way", ["namespace", "chroot"])
def test_a_way_that_is_asked_for_and_not_allowed(way, tmp_path):
    (tmp_path / "usr").mkdir()
    command = [sys.executable, "-m", "lsf.start.cli", "--view", way, "--root", str(tmp_path), "/bin/x"]
    done = harness.run_as_user(command, {"PYTHONPATH": str(harness.PACKAGE_PARENT)}, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1)
    assert str(tmp_path) in done.stderr
    assert ("user namespaces" if way == "namespace" else "CAP_SYS_CHROOT") in done.stderr


@pytest.mark.engines("sud-cli")
def test_a_linux_program_is_found_too(lsf, own_root):
    """It runs natively, and sees the host's own tree."""
    if not os.path.exists("/usr/bin/printf") or not os.access("/opt", os.R_OK):
        harness.not_covered("a Linux program from a view by look-up", "no Linux program to start")
    tool = lsf.cwd / "native"
    shutil.copy("/usr/bin/printf", tool)
    tool.chmod(0o755)
    lsf("sh", "-c", f"./native native; {tool} too", options=[*LOOKUP, "--root", str(own_root)]).check("nativetoo")
