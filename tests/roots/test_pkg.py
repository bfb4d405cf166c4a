"""pkg(8) itself, where LSF_TEST_PKG names a FreeBSD root that has it: a signed repository, and packages in a copy of that root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import harness
import pytest
from packages import STAGED, stage

pytestmark = pytest.mark.engines("sud-cli", "ptrace")

VULN = """<?xml version="1.0"?><vuxml xmlns="http://www.vuxml.org/apps/vuxml-1"><vuln vid="11111111-1111-1111-1111-111111111111">
<topic>tool is rude</topic><affects><package><name>tool</name><range><lt>2</lt></range></package></affects>
<description><body xmlns="http://www.w3.org/1999/xhtml"><p>x</p></body></description><references/>
<dates><discovery>2026-01-01</discovery><entry>2026-01-01</entry></dates></vuln></vuxml>"""


#: A trigger in Lua, which pkg runs in a sandbox, and one that may do all, and runs a program.
TRIGGERS = {
    "trigger": (
        "1.0",
        {
            "/usr/local/share/pkg/triggers/kept.ucl": (
                "root,wheel,0644",
                'path_glob: [ "/usr/local/share/mark*" ]\n'
                'trigger: { type: lua, script: "print(\\"saw \\" .. arg[1])" }\n'
                'cleanup: { type: lua, script: "print(\\"cleaned up\\")" }\n',
            ),
            "/usr/local/share/pkg/triggers/runs.ucl": (
                "root,wheel,0644",
                'path: [ "/usr/local/share/marked" ]\n'
                'trigger: { type: lua, sandbox: false, script: "pkg.exec({\\"/bin/sh\\", \\"-c\\",'
                ' \\"ls /usr/local/share/marked > /var/db/listed\\"})" }\n',
            ),
        },
        "",
    ),
    "marked": ("1.0", {f"/usr/local/share/marked/{n}": ("root,wheel,0644", f"{n}\n") for n in range(3)}, ""),
}


@pytest.fixture
def run(lsf, root_store, run_root):
    """`run(script)` runs FreeBSD's sh as an ordinary user who is shown as root, in a copy of the root; /work is the test's folder."""
    given = os.environ.get("LSF_TEST_PKG")
    if not given or not Path(given, "usr/local/sbin/pkg").exists():
        harness.not_covered("pkg(8) itself", "LSF_TEST_PKG names no FreeBSD root with usr/local/sbin/pkg")
    assert run_root("copy", given, "copy")[0] == 0

    def command(script: str):
        options = ["--root", str(root_store / "copy/root"), "--isolated", "--fakeroot", "--bind", f"{lsf.cwd}:/work"]
        environment = lsf.environment(
            {"PATH": "/bin:/usr/bin:/usr/local/bin", "ASSUME_ALWAYS_YES": "yes", "IGNORE_OSVERSION": "yes"}
        )
        return harness.run_as_user(
            lsf.command("/bin/sh", "-ec", script, options=options), environment, lsf.cwd, namespaces=True
        )

    return command


def test_packages(run, lsf, root_store, web_server):
    before = sorted(Path(os.environ["LSF_TEST_PKG"], "usr/local").rglob("*"))
    stage(lsf.cwd, STAGED)
    openssl = shutil.which("openssl")
    if not openssl:
        harness.missing_tool("a signed repository of packages", "openssl is not installed")
    for command in ("genrsa -out key 2048", "rsa -in key -pubout -out pub"):
        subprocess.run([openssl, *command.split()], cwd=lsf.cwd, capture_output=True, check=True)
    names = " ".join(STAGED)
    done = run(
        f"cd /work; mkdir repo; for p in {names}; do pkg create -M $p.ucl -p $p.plist -r $p -o repo; done; pkg repo repo key"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file in (lsf.cwd / "repo").rglob("*"):
        if file.is_file():
            web_server.files[f"/{file.relative_to(lsf.cwd / 'repo')}"] = file.read_bytes()
    (lsf.cwd / "vuln.xml").write_text(VULN)
    done = run(f"""
        mkdir -p /usr/local/etc/pkg/repos; echo 'FreeBSD: {{ enabled: no }}' > /usr/local/etc/pkg/repos/FreeBSD.conf
        echo 'mine: {{ url: "{web_server.url}", signature_type: pubkey, pubkey: /work/pub }}' > /usr/local/etc/pkg/repos/mine.conf
        pkg install -q tool many; tool; pkg info -q; pkg check -qs -a && echo right
        stat -f '%Sp %Su %Sg' /usr/local/bin/tool /var/db/tool/state; stat -f %Sf /usr/local/lib/tool/flagged
        grep -c tooluser /etc/passwd; pkg query %#F many; pkg which -q /usr/local/bin/tool
        pkg audit -qf /work/vuln.xml || echo vulnerable
        pkg delete -q tool; pkg autoremove -q; pkg info -q; ls /usr/local/lib | grep -c library || true
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "post-install", "library", "library-1.0", "many-1.0", "tool-1.0", "right", "-r-sr-xr-x root operator",
        "-rw-r----- games games", "schg", "1", "500", "tool-1.0", "tool-1.0", "vulnerable", "many-1.0", "0",
    ]  # fmt: skip
    subprocess.run([openssl, "genrsa", "-out", "key", "2048"], cwd=lsf.cwd, capture_output=True, check=True)
    subprocess.run([openssl, *"rsa -in key -pubout -out pub".split()], cwd=lsf.cwd, capture_output=True, check=True)
    done = run(
        "pkg delete -qa; rm -rf /var/db/pkg/repos /var/cache/pkg; pkg install -q tool || echo refused; pkg info -q"
    )
    assert done.stdout == "refused\n", done.stdout + done.stderr
    assert sorted(Path(os.environ["LSF_TEST_PKG"], "usr/local").rglob("*")) == before, "the root itself is as it was"


def test_triggers(run, lsf):
    """What packages ask to be run at the end of a transaction: by pkg itself in its sandbox, and by a program."""
    stage(lsf.cwd, TRIGGERS)
    done = run(f"""
        cd /work; mkdir repo; for p in {" ".join(TRIGGERS)}; do pkg create -M $p.ucl -p $p.plist -r $p -o repo; done; pkg repo -q repo
        mkdir -p /usr/local/etc/pkg/repos; echo 'FreeBSD: {{ enabled: no }}' > /usr/local/etc/pkg/repos/FreeBSD.conf
        echo 'mine: {{ url: "file:///work/repo" }}' > /usr/local/etc/pkg/repos/mine.conf
        pkg install -q trigger; pkg install marked > log; grep '^saw ' log; cat /var/db/listed
        pkg delete marked > log; grep '^saw ' log; wc -c < /var/db/listed; pkg delete trigger > log; grep '^cleaned ' log
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == [
        "saw",
        "/usr/local/share/marked",
        "0",
        "1",
        "2",
        "saw",
        "/usr/local/share/marked",
        "0",
        "cleaned",
        "up",
    ], done.stderr
