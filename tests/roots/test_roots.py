"""Real FreeBSD programs in real FreeBSD roots: shells and the tools of the base system.

Three userlands: busybox of 14.0, the programs of 10.1 (before 64-bit inodes), and those same programs on the libraries
of 13.5. Every case is one `/bin/sh -c` script whose whole output is known beforehand.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import harness
import pytest


@dataclasses.dataclass(frozen=True)
class Case:
    """A script and what it prints; `stdout` is the text, or a function of it that returns what is wrong or None."""

    name: str
    script: str
    stdout: str | Callable[[str], str | None]
    status: int = 0
    only: str | None = None  # "busybox" or "base": where a program exists or behaves so
    stderr: str | None = ""  # None: not looked at
    timeout: float = harness.DEFAULT_TIMEOUT


DATA = b"".join(b"%d\n" % (i * 7919 % 10007) for i in range(40000))
NUMBERS = "".join(f"{n}\n" for n in range(1, 1001))


def matches(*patterns: str) -> Callable[[str], str | None]:
    """Each line of the output must match its pattern in full."""

    def judge(text: str) -> str | None:
        lines = text.splitlines()
        if len(lines) != len(patterns):
            return f"want {len(patterns)} lines"
        for line, pattern in zip(lines, patterns, strict=True):
            if not re.fullmatch(pattern, line):
                return f"{line!r} does not match {pattern!r}"
        return None

    return judge


def date_of_today(text: str) -> str | None:
    days = {time.strftime("%Y-%m-%d", time.gmtime(time.time() - late)) for late in (0, 120)}
    return None if text.strip() in days else f"want one of {days}"


CASES = [
    # ---- the shell
    Case("loops", "for i in 1 2 3; do echo n$i; done; i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done",
         "n1\nn2\nn3\n1\n2\n3\n"),
    Case("pipes", "printf 'b\\na\\nc\\n' | sort | while read x; do echo \"<$x>\"; done", "<a>\n<b>\n<c>\n"),
    Case("redirections", "echo one > f; echo two >> f; cat < f; cat missing 2> err || echo failed; [ -s err ] && echo said;"
         "{ echo out; echo err >&2; } 2>&1 | sort; exec 3< f; read a <&3; echo $a", "one\ntwo\nfailed\nsaid\nerr\nout\none\n"),
    Case("substitution", "x=$(echo hello | sed s/l/L/g); echo $x $(expr 6 \\* 7) `echo back` \"$(printf 'a\\n\\n')\"",
         "heLLo 42 back a\n"),
    Case("background", "(sleep 0.2; exit 3) & p=$!; echo started; wait $p; echo $?", "started\n3\n"),
    Case("many_in_background", "for i in 1 2 3 4 5; do (sleep 0.1; echo $i > f$i) & done; wait; cat f?", "1\n2\n3\n4\n5\n"),
    Case("kill", "sleep 60 & p=$!; kill $p; wait $p; echo $?; kill -0 $p 2>/dev/null || echo gone", "143\ngone\n", stderr=None),
    Case("trap", "trap 'echo caught' USR1; kill -USR1 $$; echo after; trap 'echo bye' EXIT", "caught\nafter\nbye\n"),
    Case("here_document", "x=5; cat <<E | tr a-z A-Z\nline $x\n$(echo sub)\nE\n", "LINE 5\nSUB\n"),
    Case("statuses", "false; echo $?; (exit 42); echo $?; true && echo yes; nosuchcommand 2>/dev/null; echo $?; exit 9",
         "1\n42\nyes\n127\n", status=9),
    Case("signal_status", "sh -c 'kill -9 $$'; echo $?", "137\n", stderr=None),
    Case("functions", "f() { local a=$1; [ $a -eq 0 ] && return 0; echo $a; f $((a-1)); }; f 3; case abc in a*) echo match;; esac",
         "3\n2\n1\nmatch\n"),
    Case("deep_recursion", "f() { [ $1 -eq 0 ] || f $(($1-1)); }; f 300 && echo deep", "deep\n"),
    Case("subshells", "for i in 1 2 3 4 5 6 7 8 9 10; do (echo $i; exit $i); echo $?; done | tail -2", "10\n10\n"),
    Case("thousand_commands", "i=0; while [ $i -lt 150 ]; do /bin/echo $i; i=$((i+1)); done | tail -1", "149\n", timeout=120),
    Case("script_file", "printf '#!/bin/sh\\necho \"script $0 $1 $#\"; exit 5\\n' > s; chmod +x s; ./s 'a b'; echo $?",
         "script ./s a b 1\n5\n"),
    Case("not_executable", "echo 'echo hi' > s; ./s 2>/dev/null; echo $?", "126\n"),
    Case("globs", "touch a1 a2 b1; echo a*; echo [ab]1; mkdir d; touch d/x; echo */x", "a1 a2\na1 b1\nd/x\n"),
    Case("big_environment", "x=$(printf %05000d 7); export x; env | grep -c ^x=; sh -c 'echo ${#x}'", "1\n5000\n"),
    # ---- about the system
    Case("uname", "uname -s; uname -m; uname -r; uname -a",
         matches("FreeBSD", "amd64", r"\d+\.\d+-\w+.*", r"FreeBSD \S+ \d+\.\d+-\w+.* amd64.*")),
    Case("id", "id -u; id -g", f"{os.getuid()}\n{os.getgid()}\n"),
    Case("date", "date -u +%Y-%m-%d", date_of_today),
    Case("date_of_an_hour", "date -u -r 86400 '+%Y-%m-%d %H:%M:%S'", "1970-01-02 00:00:00\n", only="base"),
    Case("date_of_a_second", "date -u -d @86400 '+%Y-%m-%d %H:%M:%S'", "1970-01-02 00:00:00\n", only="busybox"),
    Case("env", "env -i A=1 'B=two words' env | sort", "A=1\nB=two words\n"),
    Case("pwd", "mkdir -p x/y; cd x/y; pwd | sed 's|.*/work/[^/]*||'; cd ..; /bin/pwd | sed 's|.*/work/[^/]*||'", "/x/y\n/x\n"),
    Case("time", "time sleep 0.1 2>&1 | cat; echo ok", lambda text: None if text.endswith("ok\n") else "no ok", stderr=None),
    Case("time_command", "/usr/bin/time -p true", "", only="base",
         stderr=None),
    # ---- files
    Case("ls", "mkdir d; echo 12345 > d/f; chmod 640 d/f; ln -s f d/l; ls -1 d; ls -l d | grep -v ^total",
         matches("f", "l", r"-rw-r-----\s+1\s+\S+\s+\S+\s+6 .* f", r"lrwx\S+\s+1\s+\S+\s+\S+\s+1 .* l -> f")),
    Case("ls_many", "mkdir d; i=0; while [ $i -lt 300 ]; do : > d/$i; i=$((i+1)); done; ls d | wc -l | tr -d ' '; ls -a d | wc -l | tr -d ' '",
         "300\n302\n", timeout=60),
    Case("ls_missing", "ls missing 2>/dev/null || echo status $?", matches(r"status [12]")),
    Case("cat", "printf 'a\\n' > a; printf 'b\\n' > b; cat a b a; cat - b < a", "a\nb\na\na\nb\n"),
    Case("cp_mv_rm", "mkdir -p s/t; echo x > s/t/f; cp -r s c; mv c m; cat m/t/f; rm -r s m; ls | wc -l | tr -d ' '", "x\n0\n"),
    Case("links", "echo x > a; ln a b; ln -s a c; rm a; cat b; cat c 2>/dev/null || echo dangling; [ -L c ] && echo link",
         "x\ndangling\nlink\n"),
    Case("tests", "touch f; mkdir d; [ -f f ] && [ -d d ] && [ ! -e x ] && [ f -nt x ] || echo no; [ -w f ] && [ ! -x f ] && echo yes",
         lambda text: None if text in ("yes\n", "no\nyes\n") else "want yes"),
    Case("chmod", "touch f; chmod 751 f; ls -l f | cut -c1-10; chmod u-x,g+w f; ls -l f | cut -c1-10", "-rwxr-x--x\n-rw-rwx--x\n"),
    Case("touch", "TZ=UTC touch -t 200102030405.06 f; ls -l f | grep -c 'Feb *3 *2001'; touch g; [ g -nt f ] && echo newer",
         "1\nnewer\n"),
    Case("mkfifo", "mkfifo p; (echo through > p) & cat p; wait", "through\n"),
    Case("dd", "dd if=data of=copy bs=1 count=100000 2>err; cmp -n 100000 data copy && tail -1 err | grep -c 100000",
         "1\n", only="busybox", timeout=120),
    Case("dd_of_base", "dd if=data of=copy bs=1 count=100000 2>err; head -c 100000 data | cmp - copy && grep -c '^100000 bytes' err",
         "1\n", only="base", timeout=120),
    Case("dd_200000", "dd if=/dev/zero bs=1 count=200000 2>/dev/null | wc -c | tr -d ' '", "200000\n", timeout=180),
    Case("dd_blocks", "dd if=data bs=1000 skip=2 count=3 2>/dev/null | cmp - part && echo same", "same\n"),
    Case("large_file", "dd if=/dev/zero of=big bs=65536 count=200 2>/dev/null; ls -l big | awk '{print $5}'", "13107200\n"),
    # ---- text
    Case("wc", "wc -l < data | tr -d ' '; wc -c < data | tr -d ' '", f"40000\n{len(DATA)}\n"),
    Case("sort", "sort -n numbers | head -3; sort -rn numbers | head -1; sort -u numbers numbers | wc -l | tr -d ' '; sort -c data 2>/dev/null || echo unsorted",
         "1\n2\n3\n1000\n1000\nunsorted\n"),
    Case("sort_large", "sort data | cmp - sorted && echo same", "same\n", timeout=60),
    Case("uniq", "printf 'a\\na\\nb\\n' | uniq -c | sed 's/^ *//'", "2 a\n1 b\n"),
    Case("sed", "sed -n '5,7p' numbers; echo hello | sed -e 's/\\(h\\)e/\\1E/' -e y/lo/01/; sed '$!d' numbers; printf 'a\\nb\\n' | sed G | wc -l | tr -d ' '",
         "5\n6\n7\nhE001\n1000\n4\n"),
    Case("awk", "awk '{s+=$1} END {print s, NR}' numbers; echo 'a:b:c' | awk -F: '{print $2, NF}'; awk 'BEGIN {printf \"%.3f %s\\n\", 22/7, toupper(\"x\")}';"
         "awk 'BEGIN {while ((\"echo p; echo q\" | getline l) > 0) print \"<\" l \">\"; print substr(\"hello\",2,3)}'",
         "500500 1000\nb 3\n3.143 X\n<p>\n<q>\nell\n"),
    Case("grep", "grep -c 99 numbers; grep -E '^(1|2)0{2}$' numbers; grep -v . /dev/null; echo $?; echo abc | grep -o b 2>/dev/null; grep -l 1000 n*; grep -in HUNDRED words",
         "20\n100\n200\n1\nb\nnumbers\n2:hundred\n".replace("20\n", f"{sum('99' in str(n) for n in range(1, 1001))}\n", 1)),
    Case("find", "mkdir -p a/b/c; touch a/1.txt a/b/2.txt a/b/c/3.c; find a -name '*.txt' | sort; find a -type d | wc -l | tr -d ' '; find a -name 3.c -exec echo got {} \\;; find a -type f -newer data | wc -l | tr -d ' '",
         "a/1.txt\na/b/2.txt\n3\ngot a/b/c/3.c\n3\n"),
    Case("find_many", "i=0; while [ $i -lt 40 ]; do mkdir -p t/$i; touch t/$i/x t/$i/y; i=$((i+1)); done; find t | wc -l | tr -d ' '; find t -delete; ls t 2>/dev/null | wc -l | tr -d ' '",
         "121\n0\n", timeout=90),
    Case("head_tail_cut_tr", "head -2 numbers; tail -2 numbers; echo a,b,c | cut -d, -f2; echo hello | tr a-y b-z; tail -c 5 numbers",
         "1\n2\n999\n1000\nb\nifmmp\n1000\n"),
    Case("xargs", "printf '1 2 3' | xargs -n1 echo n; seq 5 2>/dev/null | xargs; find . -name numbers | xargs wc -l | awk '{print $1}'",
         lambda text: None if text in ("n 1\nn 2\nn 3\n1 2 3 4 5\n1000\n", "n 1\nn 2\nn 3\n\n1000\n") else "other lines"),
    Case("diff", "printf 'a\\nb\\n' > x; printf 'a\\nc\\n' > y; diff x y; echo $?; diff x x && echo same", "2c2\n< b\n---\n> c\n1\nsame\n", only="base"),
    Case("diff_unified", "printf 'a\\nb\\n' > x; printf 'a\\nc\\n' > y; diff x y | tail -3; diff x x && echo same", " a\n-b\n+c\nsame\n", only="busybox"),
    Case("cmp", "cmp numbers numbers && echo same; printf ab > x; printf ac > y; cmp x y; echo $?", lambda text: None if re.fullmatch(
        r"same\nx y differ: char 2, line 1\n1\n", text) else "other lines"),
    Case("bc", "echo '2^100; scale=5; 1/7' | bc", "1267650600228229401496703205376\n.14285\n", only="base"),
    Case("bc_busybox", "echo '2^64' | bc", "18446744073709551616\n", only="busybox"),
    Case("tee", "echo x | tee a b | cat - a b", lambda text: None if text == "x\nx\nx\n" else "want x three times"),
    Case("sigpipe", "yes | head -20000 | wc -l | tr -d ' '", "20000\n"),
    Case("long_pipe", "cat data | cat | cat | cat | tr 0-9 a-j | tr a-j 0-9 | cmp - data && echo same", "same\n"),
    # ---- archives and sums
    Case("tar", "mkdir -p d/e; cp numbers d/n; echo x > d/e/f; ln -s f d/e/l; chmod 751 d/e/f; tar cf - d | (mkdir out; cd out; tar xf -);"
         "find out | sort; cmp d/n out/d/n && ls -l out/d/e/f | cut -c1-10; tar cf - d | tar tf - | sort | head -2",
         "out\nout/d\nout/d/e\nout/d/e/f\nout/d/e/l\nout/d/n\n-rwxr-x--x\nd/\nd/e/\n"),
    Case("tar_gzip", "tar czf a.tgz numbers data; mkdir out; cd out; tar xzf ../a.tgz; cmp data ../data && cmp numbers ../numbers && echo same", "same\n"),
    Case("gzip", "gzip -c data > d.gz; gzip -dc d.gz | cmp - data && echo same", "same\n"),
    Case("md5sum", "md5sum data; sha256sum < data", f"{hashlib.md5(DATA).hexdigest()}  data\n{hashlib.sha256(DATA).hexdigest()}  -\n", only="busybox"),
    Case("md5", "md5 -q data; sha256 -q data", f"{hashlib.md5(DATA).hexdigest()}\n{hashlib.sha256(DATA).hexdigest()}\n", only="base"),
    Case("archivers", "mkdir -p d/e; cp numbers d/n; ln -s n d/l; chmod 604 d/n; mkdir c p; find d | cpio -o 2>/dev/null > d.cpio;"
         "(cd c; cpio -id 2>/dev/null < ../d.cpio); pax -w -f d.pax d; (cd p; pax -r -f ../d.pax); pax -f d.pax | sort;"
         "for i in c p; do cmp d/n $i/d/n && ls -l $i/d/n | cut -c1-10; readlink $i/d/l; done; ar -cr x.a numbers; ar t x.a",
         "d\nd/e\nd/l\nd/n\n" + 2 * "-rw----r--\nn\n" + "numbers\n", only="base"),
    Case("compressors", "for z in 'xz xz' 'bzip2 bz2' 'gzip gz' 'lzma lzma'; do set -- $z; cp data x; $1 x; [ -f x ] && echo kept $1; [ -f x.$2 ] || echo no $2;"
         "$1 -dc x.$2 | cmp - data && $1 -d x.$2 && cmp x data && echo $1; rm x; done; cp data x; compress x; rm -f x; uncompress x.Z; cmp x data && echo compress; xz -t - < data 2>/dev/null || echo not xz",
         "xz\nbzip2\ngzip\nlzma\ncompress\nnot xz\n", only="base", stderr=None, timeout=60),
    Case("patch", "seq 20 > a; sed -e 5d -e 's/^12$/twelve/' a > b; diff -u a b > p; echo $?; patch -s a < p && cmp a b && echo patched; patch -s -R a < p; seq 20 | cmp - a && echo back;"
         "printf '3d\n$a\nend\n.\nw\nq\n' | ed -s a; sed -n '3p;$p' a; diff3 a a a; sdiff -s a a && echo same",
         "1\npatched\nback\n4\nend\nsame\n", only="base"),
    Case("calculators", "echo 'scale=30; 4*a(1)' | bc -l; echo '2 100 ^ p 10 k 2 v p' | dc; expr 7 \\* 6; jot 3 10 2 | paste -s -d, -; echo $((1<<40)); units -q '1 mile' m | head -1",
         "3.141592653589793238462643383276\n1267650600228229401496703205376\n1.4142135623\n42\n10,6,2\n1099511627776\n\t* 1609.344\n",
         only="base"),
    Case("m4", "printf 'define(X,hello)X world\\nlen(abc) eval(6*7) substr(abcdef,2,3) syscmd(echo sub)' | m4",
         "hello world\n3 42 cde sub\n", only="base"),
    Case("make", "printf 'all: a b c\n.for i in a b c\n$i:\n\t@sleep 0.1; echo made ${.TARGET}\n.endfor\nN!=expr 1 + 1\nshow:\n\t@echo ${N} ${MACHINE_ARCH}\nfail:\n\tfalse\n' > Makefile;"
         "make | sort; make -j3 -s 2>&1 | grep -v -e '^---' | sort; make show; make -n a; make -k fail >/dev/null 2>&1; echo $?",
         2 * "made a\nmade b\nmade c\n" + "2 amd64\nsleep 0.1; echo made a\n1\n", only="base"),
    Case("getopts", "f() { OPTIND=1; while getopts ab:c o; do echo $o=$OPTARG; done; shift $((OPTIND-1)); echo rest $*; }; f -ab val -c x y; f; getopt ab: -a -bv w",
         "a=\nb=val\nc=\nrest x y\nrest\n -a -b v -- w\n", only="base"),
    Case("traps_and_waits", "trap 'echo int' INT; trap 'echo term; exit 7' TERM; (sleep 0.3; kill -INT $$; sleep 0.3; kill -TERM $$) & wait; echo woke $(($?>128)); wait; echo not reached",
         "int\nwoke 1\nterm\n", status=7),
    Case("limits", "ulimit -n 50; ulimit -n; (ulimit -n 20; ulimit -n; sh -c 'ulimit -n'); ulimit -f 1; ulimit -f; dd if=/dev/zero of=f bs=1024 count=2 2>/dev/null; echo $?; [ $(stat -f %z f) -le 512 ] && echo small",
         "50\n20\n20\n1\n153\nsmall\n", only="base", stderr=None),
    Case("nice", "nice -n 5 sh -c 'nice -n 3 ps -o nice= -p $$ 2>/dev/null || echo'; nice -n 4 sh -c 'echo ok'",
         lambda text: None if text.endswith("ok\n") else "no ok", only="base"),
    Case("dates", "date -j -u -f '%Y-%m-%d %H:%M:%S' '2001-02-03 04:05:06' +%s; TZ=UTC date -r 1000000000; TZ=EST5EDT date -j -r 1000000000 +%Z%z; date -u -j -v+1m -r 0 +%F; cal 2 2024 | sed -n '1s/ *$//p;$s/ *$//p' | head -1",
         "981173106\nSun Sep  9 01:46:40 UTC 2001\nEDT-0400\n1970-02-01\n   February 2024\n", only="base"),
    Case("stat", "umask 027; : > f; mkdir d; ln -s f l; ln f g; stat -f '%HT %Sp %l %z' f d l; stat -f %N l; [ $(stat -f %i f) = $(stat -f %i g) ] && echo one; stat -L -f %HT l; touch -t 200001020304 f; TZ=UTC stat -f %Sm -t %F f",
         matches("Regular File -rw-r----- 2 0", r"Directory drwxr-x--- \d \d+", r"Symbolic Link l\S+ 1 1", "l", "one", "Regular File", "2000-01-02"), only="base"),
    Case("install", "install -m 640 numbers a; install -d -m 700 d/e; install -S numbers d/e; stat -f '%Sp %N' a d/e d/e/numbers; cmp a numbers && cmp d/e/numbers numbers && echo same; install missing x 2>/dev/null || echo none",
         "-rw-r----- a\ndrwx------ d/e\n-rwxr-xr-x d/e/numbers\nsame\nnone\n", only="base"),
    Case("mtree", "mkdir -p d/e; cp numbers d/n; mtree -c -k type,mode,size,sha256digest -p d > spec; mtree -p d < spec && echo intact; echo >> d/n; rmdir d/e; mtree -p d < spec > out; echo $?; grep -c missing out",
         "intact\n2\n1\n", only="base", stderr=None),
    Case("find_and_xargs", "mkdir 'a b'; touch 'a b/x y' 'a b/z'; find . -name '* *' -type f -print0 | xargs -0 -n1 basename; find 'a b' -type f | sort | xargs -I% echo '<%>'; seq 10 | xargs -n 4 echo; seq 4 | xargs -P 4 -n 1 sh -c 'exit 0' && echo all;"
         "find . -name z -delete; find . -name z | wc -l | tr -d ' '; find . -maxdepth 1 -size +100k | sort; find . -name numbers -exec wc -l {} + | awk '{print $1}'",
         "x y\n<a b/x y>\n<a b/z>\n1 2 3 4\n5 6 7 8\n9 10\nall\n0\n./data\n./sorted\n1000\n", only="base"),
    Case("columns", "printf 'b 2\na 1\nc 3\n' > l; sort l > s; sort -k2nr l | head -1; printf 'a x\nb y\n' | join s -; printf 'b 2\n' | comm -23 s - ; printf '1\n2\n3\n4\n' | paste - -; printf 'x y z\n' | rs -T; nl -ba l | sed 's/^ *//'; rev l | head -1; printf 'a\tb\n' | expand -t4; fold -w3 words | head -1; split -l 400 numbers q; wc -l q* | awk '{print $1}'; cat q?? | cmp - numbers && echo whole; printf 'a b\nb c\n' | tsort; lam l -s: s | head -1; look b s; column -t l | head -1",
         "c 3\na 1 x\nb 2 y\na 1\nc 3\n1\t2\n3\t4\nx\ny\nz\n1\tb 2\n2\ta 1\n3\tc 3\n2 b\na   b\nten\n400\n400\n200\n1000\nwhole\na\nb\nc\nb 2:a 1\nb 2\nb  2\n", only="base"),
    Case("dumps", "printf 'A\\0\\377z' > x; hexdump -C x | head -1; od -An -tx1 x | tr -d ' '; od -c x | sed -n '1s/ *$//p'; uuencode x y < x > u; uudecode -o z u && cmp x z && echo uu; b64encode x y < x | b64decode -p | cmp - x && echo b64; vis x; echo; strings -n 3 words",
         "00000000  41 00 ff 7a                                       |A..z|\n4100ff7a\n0000000    A  \\0 377   z\nuu\nb64\nA\\000\\M^?z\nten\nhundred\n", only="base"),
    Case("sums_of_openssl", "openssl dgst -sha256 data | sed 's/.*= //'; openssl enc -aes-128-cbc -k x -in data 2>/dev/null | openssl enc -d -aes-128-cbc -k x 2>/dev/null | cmp - data && echo same; openssl rand -hex 8 | wc -c | tr -d ' '; sha1 -q numbers; rmd160 -q words | wc -c | tr -d ' '",
         f"{hashlib.sha256(DATA).hexdigest()}\nsame\n17\n{hashlib.sha1(NUMBERS.encode()).hexdigest()}\n41\n", only="base", stderr=None),
    Case("ssh_keygen", "ssh-keygen -q -t rsa -b 1024 -N '' -C me -f k; ssh-keygen -y -f k | cut -d' ' -f1-2 > p; cut -d' ' -f1-2 k.pub | cmp - p && echo same; ssh-keygen -l -f k.pub | awk '{print $1, $3}'; ls -l k | cut -c1-10; ssh-keygen -q -t ed25519 -N '' -C me -f e && cut -d' ' -f1 e.pub",
         "same\n1024 me\n-rw-------\nssh-ed25519\n", only="base", stderr=None, timeout=90),
    Case("lockf", "lockf -k l sh -c 'lockf -s -t 0 l echo twice || echo busy $?'; lockf -k l echo free", "busy 75\nfree\n", only="base"),
    Case("binutils", "nm -D /bin/sh | grep -c ' B environ'; readelf -h /bin/sh | awk '/OS.ABI/ {print $NF}'; size /bin/sh | awk 'NR==2 {print ($1>50000)}'; ldd /bin/sh | grep -c libc.so.7; brandelf /bin/sh | sed 's/.*brand //'; strip -o s /bin/sh && ./s -c 'echo stripped'",
         "1\nFreeBSD\n1\n1\n'FreeBSD' (9).\nstripped\n", only="base"),
    Case("mktemp_and_links", "f=$(mktemp ./t.XXXX); [ -f $f ] && rm $f && echo made; d=$(mktemp -d ./d.XXXX); [ -d $d ] && rmdir $d && echo folder; truncate -s 5000 h; wc -c < h | tr -d ' '; realpath /bin/../bin/sh; readlink -f /bin/sh; basename a/b.c .c; dirname a/b; pathchk -p 'a:b' 2>/dev/null || echo unportable",
         "made\nfolder\n5000\n/bin/sh\n/bin/sh\nb\na\nunportable\n", only="base"),
    Case("cksum", "cksum < numbers", "2457272141 3893\n".replace("2457272141", "{cksum}")),
]  # fmt: skip


def posix_cksum(data: bytes) -> int:
    """The sum that cksum(1) prints."""
    crc = 0
    length = len(data)
    while length:
        data += bytes([length & 0xFF])
        length >>= 8
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1
        crc &= 0xFFFFFFFF
    return crc ^ 0xFFFFFFFF


BASE_PROGRAMS = ("bin/sh", "bin/ls", "usr/bin/awk", "usr/bin/bc", "libexec/ld-elf.so.1", "lib/libc.so.7")
BASE_PARTS = ("bin", "sbin", "lib", "libexec", "etc", "usr/bin", "usr/sbin", "usr/lib", "usr/share/misc", "usr/share/locale",
              "usr/share/mk", "usr/share/zoneinfo")  # fmt: skip


@pytest.fixture(scope="session", params=["14.0-busybox", "10.1", "10.1-on-13.5"])
def userland(request, tmp_path_factory) -> tuple[str, Path]:
    """A root of the session's own, and whether its tools are "busybox" or "base"."""
    target = tmp_path_factory.mktemp("root")
    if request.param == "14.0-busybox":
        root = harness.root_with("bin/busybox", "libexec/ld-elf.so.1", covers="busybox of a FreeBSD 14 root")
        return "busybox", harness.copy_root(root, target)
    old = harness.root_with(*BASE_PROGRAMS, covers="the programs of a FreeBSD 10 root", releases=(10, 11))
    if request.param == "10.1":
        return "base", harness.copy_root(old, target, BASE_PARTS)
    new = harness.root_with(
        "libexec/ld-elf.so.1", covers="programs of FreeBSD 10 on libraries of 13", releases=(12, 13, 14)
    )
    harness.copy_root(old, target, BASE_PARTS)
    return "base", harness.copy_root(new, target, ("lib", "libexec", "usr/lib"), replace=True)


PREPARE = "umask 022; PATH=/bin:/usr/bin:/sbin:/usr/sbin; export PATH; cd /work/{folder} || exit 99; "


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(lsf, userland, case):
    kind, root = userland
    if case.only not in (None, kind):
        pytest.skip(f"a case of {case.only}")
    folder = f"{case.name}-{lsf.engine}"
    work = root / "work" / folder
    work.mkdir()
    (work / "numbers").write_text(NUMBERS)
    (work / "data").write_bytes(DATA)
    (work / "sorted").write_bytes(b"".join(sorted(DATA.splitlines(keepends=True))))
    (work / "part").write_bytes(DATA[2000:5000])
    (work / "words").write_text("ten\nhundred\n")
    os.utime(work / "data", (1, 1))
    if case.name in ("globs", "cp_mv_rm"):
        for file in work.iterdir():
            file.unlink()
    result = lsf("/bin/sh", "-c", PREPARE.format(folder=folder) + case.script, root=root, timeout=case.timeout)
    result.check(status=case.status, stderr=case.stderr)
    if callable(case.stdout):
        wrong = case.stdout(result.stdout)
        if wrong:
            pytest.fail(f"{wrong}\n{result.explain()}", pytrace=False)
    else:
        result.check(case.stdout.format(cksum=posix_cksum(NUMBERS.encode())) if "{cksum}" in case.stdout else case.stdout,
                     status=case.status, stderr=None)  # fmt: skip
