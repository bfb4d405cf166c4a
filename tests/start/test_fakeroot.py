"""--fakeroot: the user is shown as root, and files that it gives away are remembered as given away."""

from __future__ import annotations

import os

import harness
import pytest

TOOLS = (
    "bin/sh",
    "bin/ls",
    "usr/bin/tar",
    "usr/bin/id",
    "usr/bin/stat",
    "usr/sbin/chown",
    "usr/bin/find",
    "usr/sbin/pw",
)

pytestmark = pytest.mark.engines("sud-cli", "ptrace")


@pytest.fixture
def run(lsf):
    """`run(script, *options)` runs a shell's script as an ordinary user, in a root with FreeBSD's tools."""
    root = harness.root_with(*TOOLS, covers="--fakeroot with FreeBSD's tools")
    kept = lsf.cwd / "probe"
    kept.touch()
    try:
        os.setxattr(kept, "user.lsf.probe", b"x")
    except OSError:
        harness.not_covered("--fakeroot", "this file system keeps no attributes")
    kept.unlink()

    def command(script: str, *options: str, env: dict[str, str] | None = None, uid: int = 1000):
        environment = lsf.environment({"PATH": "/bin:/usr/bin:/usr/sbin:/sbin", **(env or {})})
        options = options or ("--fakeroot",)
        return harness.run_as_user(lsf.command("/bin/sh", "-ec", script, options=["--root", str(root), *options]),
                                   environment, lsf.cwd, uid=uid, namespaces=True)  # fmt: skip

    return command


def test_the_user_is_root(run, lsf):
    script = "id -u; id -g; id -un; id -ru; : > file; stat -f '%u %g' file; chmod 4755 file; stat -f '%p' file"
    done = run(script)
    assert (done.stdout, done.stderr) == ("0\n0\nroot\n0\n0 0\n104755\n", "")
    assert run(script, "--debug", env={"LSF_FAKEROOT": "1"}).stdout == done.stdout
    assert run("id -u", "--debug").stdout == "1000\n"
    assert os.stat(lsf.cwd / "file").st_uid == os.getuid()


def test_the_path_is_roots(run):
    """As an ordinary user's lacks the folders of the system's own programs, which root's scripts start by name."""
    for more in ((), ("--view", "lookup")):
        done = run("command -v pw; echo $PATH", "--fakeroot", *more, env={"PATH": "/bin:/opt/mine:/usr/bin"})
        assert done.stdout == "/usr/sbin/pw\n/bin:/opt/mine:/usr/bin:/sbin:/usr/sbin:/usr/local/sbin:/usr/local/bin\n"
    assert run("echo $PATH", "--fakeroot", "-E", "PATH=/bin").stdout == "/bin\n"
    assert run("echo $PATH", "--debug", env={"PATH": "/bin"}).stdout == "/bin\n"


def test_with_paths_looked_up(run):
    done = run(": > f; chown 5:7 f; chown 6:6 ./f; stat -f '%u:%g' f; cd /tmp; stat -f '%u:%g' \"$OLDPWD/f\"; id -u",
               "--fakeroot", "--view", "lookup")  # fmt: skip
    assert (done.stdout, done.stderr) == ("6:6\n6:6\n0\n", "")


def test_owners_are_remembered(run, lsf):
    done = run("""
        : > file; mkdir dir; : > dir/in; ln -s file link
        chown 5:7 file; stat -f '%u:%g' file; chown 6 file; stat -f '%u:%g' file; chown :8 file; stat -f '%u:%g' file
        chown -R bin:mail dir; stat -f '%Su:%Sg' dir dir/in; (cd dir && ls -ln in | awk '{print $3 ":" $4}')
        chown -h 9:9 link; stat -f '%u:%g' link file; chown 9:9 link; stat -f '%u:%g' file
        cp -p file copy; stat -f '%u:%g' copy; mv copy moved; stat -f '%u:%g' moved; find . -user 9 | sort
        chown 0:0 file; stat -f '%u:%g' file
    """)
    assert done.stderr == ""
    assert done.stdout == ("5:7\n6:7\n6:8\nbin:mail\nbin:mail\n3:6\n0:0\n6:8\n9:9\n9:9\n9:9\n./file\n./moved\n0:0\n"), (
        done.stdout
    )
    again = run("stat -f '%u:%g' file moved dir")
    assert again.stdout == "0:0\n9:9\n3:6\n"
    assert run("stat -f '%u:%g' file moved", "--debug").stdout == "1000:1000\n1000:1000\n"
    assert os.listxattr(lsf.cwd / "file") == []
    assert os.getxattr(lsf.cwd / "moved", "user.lsf.owner") == b"9:9"


def test_an_archive_keeps_its_owners(run):
    """What packages are made of: tar in, tar out, and a check of what is there."""
    done = run("""
        mkdir -p tree/bin tree/var; echo text > tree/bin/prog; chmod 4555 tree/bin/prog; echo mail > tree/var/box
        ln -s bin/prog tree/link; ln tree/bin/prog tree/hard
        chown -R root:wheel tree; chown operator:mail tree/var/box; chown games tree/var
        tar -cf a.tar tree; rm -rf tree; tar -tvf a.tar | awk '{print $3, $4, $9}' | sort
        mkdir out; tar -xpf a.tar -C out; cd out; find tree | sort | xargs stat -f '%Sp %Su %Sg %N'
    """)
    assert done.stderr == ""
    assert (
        done.stdout
        == """games wheel tree/var/
operator mail tree/var/box
root wheel tree/
root wheel tree/bin/
root wheel tree/bin/prog
root wheel tree/hard
root wheel tree/link
drwxr-xr-x root wheel tree
drwxr-xr-x root wheel tree/bin
-r-sr-xr-x root wheel tree/bin/prog
-r-sr-xr-x root wheel tree/hard
lrwxrwxrwx root wheel tree/link
drwxr-xr-x games wheel tree/var
-rw-r--r-- operator mail tree/var/box
"""
    )


def test_becoming_somebody_else_is_shown(run):
    """Programs that give their rights up see that they have, and so do those that they start; the rights stay."""
    done = run("su -m nobody -c 'id -u; id -ru; id -g; echo text > file; stat -f %u file'; id -u")
    assert (done.stdout, done.stderr) == ("65534\n65534\n65534\n0\n0\n", "")


def test_rights_that_are_given_up_stay_so(run, lsf):
    """The guest is right about FreeBSD's root too: as root it runs with every engine (test_guests.py)."""
    guest = harness.compile_guest("ids_given_up")
    script = " && ".join(f"./guest {case}" for case in harness.guest_cases(harness.guest_source("ids_given_up")))
    (lsf.cwd / "guest").write_bytes(guest.read_bytes())
    (lsf.cwd / "guest").chmod(0o755)
    done = run(script)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.count("ok ") == len(script.split("&&"))


def test_file_flags_are_remembered(run, lsf):
    """What packages set on a few files; nothing keeps such a file from being replaced."""
    done = run("""
        : > file; mkdir dir; chflags schg file; chflags nodump,sunlnk dir
        ls -lo file | awk '{print $5}'; stat -f %Sf dir; chflags 0 file; stat -f %Sf file
        chflags schg file; chown 5:7 file; stat -f '%Sf %u' file; cp -p file copy; stat -f '%Sf %u' copy; rm -f file copy
        chflags -h schg none 2>/dev/null || echo none
    """)
    assert (done.stdout, done.stderr) == ("schg\nsunlnk,nodump\n-\nschg 5\nschg 5\nnone\n", "")
    assert not (lsf.cwd / "file").exists()


def test_without_namespaces_it_is_one_sentence(lsf, tmp_path):
    command = lsf.command("/bin/sh", options=["--fakeroot"])
    done = harness.run_as_user(command, lsf.environment({}), lsf.cwd)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1)
    assert done.stderr.startswith("lsf: --fakeroot: needs user namespaces")
