"""Programs of a real FreeBSD base system that ask about the system: processes, sockets, routes, file systems, limits.

They need /proc, so they run by the `lsf` command, which makes a view. What cannot be known beforehand is matched.
"""

from __future__ import annotations

import http.server
import os
import re
import socket
import threading
from pathlib import Path

import harness
import pytest

PARTS = (
    "bin",
    "sbin",
    "lib",
    "libexec",
    "etc",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/libexec",
    "usr/share/misc",
    "var",
)
NEEDED = ("bin/ps", "usr/bin/netstat", "usr/bin/sockstat", "usr/bin/procstat", "usr/bin/top", "libexec/ld-elf.so.1")
PREPARE = "umask 022; PATH=/bin:/usr/bin:/sbin:/usr/sbin; export PATH; "

#: They use one /tmp, and see what else runs.
pytestmark = [pytest.mark.engines("sud-cli", "ptrace"), pytest.mark.alone]


@pytest.fixture(scope="module", params=["10.1", "10.1-on-13.5"])
def root(request, tmp_path_factory) -> Path:
    """FreeBSD 10's base system, and its programs on newer libraries."""
    source = harness.root_with(*NEEDED, covers="FreeBSD programs that ask about the system", releases=(10, 11))
    copy = harness.copy_root(source, tmp_path_factory.mktemp("programs"), PARTS)
    if request.param != "10.1":
        new = harness.root_with("libexec/ld-elf.so.1", "lib/libthr.so.3", covers="programs of FreeBSD 10 on libraries of 13",
                                releases=(13, 14, 15))  # fmt: skip
        harness.copy_root(new, copy, ("lib", "libexec", "usr/lib"), replace=True)
    for folder in ("var/tmp", "var/run"):
        (copy / folder).mkdir(parents=True, exist_ok=True)
    return copy


@pytest.fixture
def run(lsf, root):
    """`run(script)` gives what a script of FreeBSD's /bin/sh prints; its status and error output are as asked."""

    def script(text: str, status: int = 0, stderr: str | None = "") -> str:
        result = lsf("/bin/sh", "-c", PREPARE + text, root=root, timeout=60, env={"LANG": "C", "LC_ALL": "C"})
        return result.check(status=status, stderr=stderr).stdout

    return script


def test_ps(run):
    out = run("echo $$; ps -o pid= -o ppid= -o stat= -o comm= -p $$; ps -ax -o pid= -o comm= | awk -v p=$$ '$1==p'; ps -p $$ -o command= | cut -c1-7;"
              "sleep 30 & ps -o pid,state,comm -p $! | tail -1; kill $!; ps -p 1 -o pid=; ps -U 0 -o pid= | grep -c .")  # fmt: skip
    lines = out.splitlines()
    pid = lines[0]
    assert re.fullmatch(rf"\s*{pid}\s+\d+\s+[SRD]\S*\s+sh", lines[1])
    assert lines[2].split() == [pid, "sh"]
    assert lines[3].startswith("/bin/sh")
    assert re.fullmatch(r"\s*\d+ [SRD][N+]* +(sleep|sh)", lines[4])
    assert lines[5].strip() == "1"


def test_ps_shows_no_more_than_all_processors(run):
    out = run("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; ps -o %cpu= -p $$")
    assert 0 <= float(out) <= 100 * (os.cpu_count() or 1)


def test_top(run):
    out = run("top -b 5")
    assert re.match(r"last pid: +\d+;  load averages: +[\d.]+,", out), out
    assert re.search(r"^\d+ processes: +\d+ running", out, re.MULTILINE)
    assert re.search(r"^Mem: .*Free", out, re.MULTILINE)
    assert re.search(r"^ +PID USERNAME", out, re.MULTILINE)


def test_procstat(run, root):
    out = run("procstat $$ | tail -1; procstat -c $$ | tail -1; procstat -b $$ | tail -1; procstat -s $$ | tail -1; exec 5</etc/rc; procstat -f $$ | awk '$3==5';"
              "procstat -v $$ | grep -c /lib/libc.so.7; procstat -t $$ | tail -1; fstat -p $$ | awk '$4==5 {print $8}'")  # fmt: skip
    lines = out.splitlines()
    assert re.search(r"FreeBSD ELF64 +sh", lines[0])
    assert "/bin/sh -c" in lines[1]
    assert re.search(r"sh +\d+ /bin/sh", lines[2])
    assert f" {os.getuid()} " in lines[3]
    assert re.search(r"sh +5 v r r-+ +1 +0 - +/etc/rc", lines[4])
    assert int(lines[5]) >= 2
    assert re.search(r" sh ", lines[6])
    assert lines[7] == str((root / "etc/rc").stat().st_size)


def test_sysctl(run):
    out = run(
        "sysctl kern.ostype hw.pagesize hw.ncpu; sysctl -n kern.osrelease; sysctl -N kern | head -1; sysctl -d kern.ostype; sysctl -a > /tmp/all; wc -l < /tmp/all"
    )
    lines = out.splitlines()
    assert lines[0] == "kern.ostype: FreeBSD"
    assert lines[1] == "hw.pagesize: 4096"
    # Under ptrace all that the machine has, though the root has no /sys to tell.
    assert lines[2] in {f"hw.ncpu: {count}" for count in (len(os.sched_getaffinity(0)), os.cpu_count())}
    assert re.fullmatch(r"\d+\.\d-\w+", lines[3])
    assert lines[4:6] == ["kern.ostype", "kern.ostype: Operating system type"]
    assert int(lines[6]) > 200
    run("sysctl kern.nonsense", status=1, stderr="sysctl: unknown oid 'kern.nonsense': No such file or directory\n")


def test_sockets(run):
    """A connection on loopback, seen by who has it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        out = run(f"nc 127.0.0.1 {port} < /dev/zero > /dev/null & p=$!; i=0; until sockstat -4c -p {port} | grep -q ' nc '; do i=$((i+1)); [ $i -lt 100 ] || exit 9; sleep 0.1; done;"
                  f"sockstat -4c -p {port} | awk -v p=$p '$3==p {{print $2, $5, $7}}'; netstat -an -p tcp | grep '127.0.0.1.{port} ' | grep -c ESTABLISHED; netstat -an -p tcp | grep LISTEN | grep -c '127.0.0.1.{port} ';"
                  "kill $p; wait", stderr=None)  # fmt: skip
    lines = out.splitlines()
    assert lines[0] == f"nc tcp4 127.0.0.1:{port}"
    assert int(lines[1]) >= 1
    assert lines[2] == "1"


def test_talk_on_loopback(run):
    out = run("(nc -l -U /tmp/s > /tmp/got &); while [ ! -S /tmp/s ]; do sleep 0.05; done; echo over there | nc -U -w 1 /tmp/s; sleep 0.3; cat /tmp/got; rm -f /tmp/s /tmp/got;"
              "nc -z 127.0.0.1 1; echo $?", stderr=None)  # fmt: skip
    assert out == "over there\n1\n"


def test_network(run):
    out = run(
        "ifconfig -l; ifconfig lo0 | grep -c 'inet 127.0.0.1 netmask 0xff000000'; netstat -rn -f inet | grep -c '^127.0.0.1 '; netstat -i | awk '$1==\"lo0\" && $5 ~ /^[0-9]+$/ {print ($5<1e15), $6}' | head -1; ping -c 1 -t 5 127.0.0.1 | grep -c '1 packets received'"
    )
    lines = out.splitlines()
    assert "lo0" in lines[0].split()
    assert lines[1:] == ["1", "1", "1 0", "1"]


def test_queues_and_counters(run):
    """netstat(1) reads net.isr, net.link.ether.arp.stats and net.inet.igmp.stats."""
    out = run(
        "netstat -Q | awk '$1==\"ip\" && $2==1 {print $3, $4} $1==0 && $3==\"ether\" {print ($6==$10)}'; netstat -s -p arp | grep -c 'ARP requests sent';"
        "netstat -s -p igmp | grep -c '[0-9] messages received$'",
        stderr=None,  # that there is no /dev/mem
    )
    assert out == "256 flow\n1\n1\n1\n"


def test_routes(run):
    """route(8) asks by a routing socket."""
    out = run(
        "route -n get 127.0.0.1 | sed -n 's/^ *interface: //p'; route -n get -host 127.0.0.1 | grep -c 'UP,HOST,DONE'; ifconfig lo0 | grep -c LOOPBACK"
    )
    assert out == "lo0\n1\n1\n"


def test_file_systems(run):
    out = run(
        "df -k /tmp | tail -1 | awk '{print NF, ($2>0)}'; mount | grep -c ' on / '; du -sk /bin | awk '{print ($1>100)}'; stat -f %Su /bin/sh; getconf PAGESIZE; getconf PATH_MAX /; find / -xdev -maxdepth 1 -name bin; ls -d /dev/null"
    )
    assert out == f"6 1\n1\n1\n{'root' if os.getuid() == 0 else 'nobody'}\n4096\n1024\n/bin\n/dev/null\n"


def test_limits_and_priorities(run):
    out = run("limits -n 60 sh -c 'ulimit -n'; nice -n 5 ps -o nice= -p $$ | tr -d ' '; nice -n 5 sh -c 'ps -o nice= -p $$' | tr -d ' '; renice 7 $$ >/dev/null 2>&1; ps -o nice= -p $$ | tr -d ' ';"
              "cpuset -l 0 sh -c 'cpuset -g -p $$' | sed 's/pid [0-9]* //'; time -p true 2>&1 | head -1 | cut -c1-4", stderr=None)  # fmt: skip
    lines = out.splitlines()
    assert lines[0] == "60"
    assert int(lines[2]) == min(int(lines[1]) + 5, 20)
    assert int(lines[3]) == 7 or int(lines[1]) > 7
    assert lines[4] == "mask: 0"
    assert lines[5] == "real"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")
def test_other_users(run):
    out = run(
        "su -m nobody -c 'id -un; cd /; echo $USER'; chroot -u nobody / /usr/bin/id -u; id -Gn root; cd /tmp; touch f; chown nobody:nobody f; stat -f '%Su %Sg' f; su -m nobody -c 'rm -f /etc/rc' 2>/dev/null || echo refused"
    )
    assert out.splitlines()[0] == "nobody"
    assert out.splitlines()[2:] == ["65534", "wheel operator", "nobody nobody", "refused"] or out.splitlines()[2:] == [
        "65534",
        "wheel",
        "nobody nobody",
        "refused",
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="sets immutable flags")
def test_file_flags(run):
    out = run(
        "cd /tmp; touch f; chflags uchg f 2>/dev/null || { echo none; exit; }; ls -lo f | awk '{print $5}'; rm -f f 2>/dev/null; ls f 2>/dev/null; chflags nouchg f 2>/dev/null; rm -f f; ls f 2>/dev/null; echo end",
        stderr=None,
    )
    # rm(1) takes the user's flag away itself.
    assert out in ("none\n", "uchg\nend\n", "schg\nf\nf\nend\n")


def test_refused_tools_say_so(run):
    run("kldload nothing", status=1, stderr="kldload: can't load nothing: Operation not permitted\n")
    run("mdconfig -a -t malloc -s 1m", status=1, stderr=None)


def test_fetch_and_ftp_from_a_server(run):
    page = b"".join(b"line %d\n" % n for n in range(20000))

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/page"
        out = run(
            f"unset http_proxy HTTP_PROXY; cd /tmp; fetch -q -o a {url} && wc -c < a; ftp -V -o b {url} >/dev/null && cmp a b && echo same; rm -f a b",
            stderr=None,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert out.split() == [str(len(page)), "same"]


def test_script_and_others_with_terminals(run):
    out = run(
        "cd /tmp; script -q typed sh -c 'tty; stty size; echo inside' < /dev/null > /dev/null; tr -d '\\r' < typed | grep -v '^.D' | tail -3; rm -f typed",
        stderr=None,
    )
    lines = out.splitlines()
    assert re.fullmatch(r"/dev/pts/\d+", lines[0])
    assert lines[2] == "inside"


def test_programs_that_sandbox_themselves(lsf, run, root):
    """uniq and kdump enter capability mode, and live there."""
    out = run("cd /tmp; printf 'a\\na\\nb\\n' > sorted; uniq -c sorted; uniq sorted | cat; ktrace -f trace echo hi;"
              "kdump -f trace | grep -c 'CALL  write'; rm sorted trace")  # fmt: skip
    assert out == "   2 a\n   1 b\na\nb\nhi\n1\n"
    shown = lsf("/usr/bin/uniq", "/etc/shells", root=root, env={"LSF_TRUSS": "1", "LANG": "C", "LC_ALL": "C"}).check(
        stderr=None
    )
    assert re.search(r"cap_enter\(\)\s+= 0 ", shown.stderr)
