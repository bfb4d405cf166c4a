"""What other people's test suites say of LSF, and FreeBSD's own above all: the data of docs/user/conformance.md.

    $ python tests/conformance.py > docs/user/conformance.md

A suite is built for FreeBSD beside the project and run by `lsf`; nothing of it is here, nor a recipe for it. A row says when it was run last,
as which release, and on which engine; what differs is named case by case, each with its reason, and the lists only shrink.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import realkernel


class Case(NamedTuple):
    """Cases that differ, by name or by what they have in common; how many; and why."""

    name: str
    count: int
    reason: str


class Suite(NamedTuple):
    """name; source: whose, and of what time; date: of the run, ISO; release: that programs found; engine; cases: how many ran;
    passed: how many of them; differs: the rest."""

    name: str
    source: str
    date: str
    release: str
    engine: str
    cases: int
    passed: int
    differs: tuple[Case, ...] = ()


SUITES: tuple[Suite, ...] = (
    Suite("libkqueue's tests", "tests/sys/kqueue/libkqueue of FreeBSD's tree of 2019", "2026-11-30", "13.5", "sud", 44, 44),
    Suite("FreeBSD's ATF tests", "tests/sys, lib/libc/tests, lib/libthr/tests and contrib/netbsd-tests of the tree of 2019, but for those of ptrace(2), of"
          " Capsicum and of audit", "2026-11-30", "13.5", "sud; trap and ptrace what calls the kernel", 1_223, 1_100, (
        Case("reaper_getpids", 1, "of an orphan that is a zombie it is not known any more from which child of the reaper it comes"),
        Case("aio_test: socket_*", 5, "ru_msgsnd and ru_msgrcv of getrusage(2): Linux counts no messages"),
        Case("signal_delivered_ptrace of pdeathsig", 1, "does not end: the death of a parent whose child is traced"),
        Case("aio_socket_short_write_cancel, rights_creds_payload", 2, "Linux's local sockets hold more than FreeBSD's, and control messages take no room there"),
        Case("kern_copyin", 1, "FreeBSD maps the last page below 1 << 47, where Linux maps nothing"),
        Case("realpath_empty_symlink", 1, "Linux has no empty symbolic links"),
        Case("setdomainname_basic, setdomainname_limit, clock_gettime_real, kern_maxfiles__increase, mlock_test (4), setrlimit_memlock", 9,
             "they set the machine's name or the kernel's settings, which LSF leaves alone"),
        Case("link_perm, unlink_perm, mkdir_perm, setlogin_perm, truncate_err", 5, "the root is shown to a user as one that is only to be read; nobody"
             " has logged in; a file that an installation makes was not there"),
        Case("locale, and six cases that need locales", 28, "the root had the locales of another release"),
        Case("wordexp_test", 13, "the root had the sh of another release"),
        Case("rpc_test, resolv_test", 9, "they want rpcbind, and names of the Internet"),
        Case("aio_test: md_*; mmap__bad_arguments; ip_reass_test", 9, "no memory disks, /dev/devstat nor BPF"),
        Case("aio_test: fifo_*, pty_*, pipe_*", 15, "vfs.aio.enable_unsafe is 0, as it is on FreeBSD; built not to ask"),
        Case("skipped by the tests themselves", 11, "of other processors, not ported to FreeBSD, or for want of a file"),
        Case("faccessat_fdlink, getgroups_err, hdtr_positive (2), lio_listio_empty_nowait (2), mmap_truncate_signal, object_resize, timegm_epoch", 9,
             "they expect what FreeBSD 13 has mended since, or does otherwise"),
        Case("lookup_cap_dotdot", 4, "they expect to be killed, which is a remark on the test's own library"),
    )),
    Suite("FreeBSD's ATF tests of ptrace(2)", "tests/sys/kern/ptrace_test of the tree of 2019", "2026-11-30", "13.5", "sud, trap, ptrace", 144, 143, (
        Case("PT_KILL_competing_stop under the engine ptrace", 1,
             "which of two threads with real-time priorities goes on first: under that engine the supervisor answers them in its own order; under the"
             " others it fails at times on a machine that is busy"),
    )),
    Suite("pjdfstest", "github.com/pjd/pjdfstest, FreeBSD's expectations on UFS, run on ext4 as root", "2026-11-30", "13.5", "sud", 12_249, 11_451, (
        Case("flags of FIFOs, devices, sockets and links; jail(8); birth times; ETXTBSY", 796,
             "Linux's file systems keep extended attributes on files and directories alone, and set no birth time; jails are refused"),
        Case("chown/00: 916, 920", 2, "the mode of a link is kept where root alone may write, so that a user's lchown does not take its set-id bits away"),
    )),
    Suite("capsicum-test", "github.com/google/capsicum-test d1d13e4 (2023-10-30)", "2026-11-30", "13.5", "sud, trap, ptrace", 103, 100, (
        Case("ForkedWithFiles_AllowedSocketSyscallsIfRoot", 1,
             "it wants ECAPMODE for SIOCIFGCLONERS, which FreeBSD's kernel does not give: FreeBSD's own copy of the test leaves that out"),
        Case("Capmode.AllowedProfilSyscall", 1, "profil(2) is refused"),
        Case("Pdfork.OtherUserIfRoot", 1,
             "the child whose descriptor is closed is dead, but a zombie until its parent waits: FreeBSD gives it to init"),
    )),
    Suite("FreeBSD's tests of Capsicum", "tests/sys/capsicum and tools/regression/capsicum of the tree of 2019", "2026-11-30", "13.5", "sud",
          1508, 1508),
    Suite("libuv", "libuv 048acb509 (2026-03-17)", "2026-11-30", "13.5", "sud", 453, 451, (
        Case("tcp_close_while_connecting, tcp_connect_timeout", 2,
             "they want an address that does not answer, and the machine's network answers: they fail on its Linux, too"),
    )),
    Suite("git, 260 of its scripts by lot", "git 2.39.5 without curl, OpenSSL, gettext and iconv", "2026-11-30", "10.1", "sud", 6652, 6585, (
        Case("known breakages", 43, "git's own: it expects them to fail"),
        Case("t4031, t5532", 2, "a program of the test's is in Perl, which the root has not"),
        Case("t5100, t4254, t4041", 22, "they convert character sets, for which this git was built without iconv"),
    )),
    Suite("Rust's standard library", "rust-src 1.96 of Debian's rustc-web", "2026-11-28", "13.5", "sud, trap, ptrace", 532, 532),
)  # fmt: skip


def missing(suite: Suite) -> int:
    """Cases that neither passed nor are explained: none, or the data are wrong."""
    return suite.cases - suite.passed - sum(case.count for case in suite.differs)


_HEAD = """\
# Conformance

<!-- Made by `python tests/conformance.py` from the data there: edit those, and make this page again. -->

FreeBSD's tests are the measure. Each suite was built for FreeBSD from its own sources and run by `lsf` on a Linux machine; where programs of
the suite run other programs, a root has those. A case that differs is named with its reason. [releases](releases.md) lists what differs between
releases, and [syscalls](syscalls.md) what each call lacks.

| suite | source | run on | release | engine | cases | pass |
|-------|--------|--------|---------|--------|------:|-----:|
"""


_KERNELS = """
## The project's own cases on FreeBSD's kernels

A case of `tests/guests` says what FreeBSD does, and a FreeBSD kernel is asked whether it does: `tests/realkernel.py` runs the cases on one in
qemu, and keeps what it said. Cases whose matter is LSF itself are not asked.

| kernel | asked on | cases | ok |
|---|---|--:|--:|
"""


def table(heading: str, columns: str, rows: list[tuple[str, str]]) -> list[str]:
    """A heading with its table, or nothing where that has no rows."""
    if not rows:
        return []
    lines = [f"| {name} | {text.replace('|', chr(92) + '|')} |\n" for name, text in rows]
    return [f"\n### {heading}\n\n{columns}\n|---|---|\n", *lines]


def kernels(cases: list[realkernel.Case], verdicts: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """What FreeBSD's kernels said of the project's own cases: how many, which LSF answers otherwise, and which none has confirmed."""
    asked: Counter[str] = Counter(kernel for kernel, _ in verdicts)
    ok: Counter[str] = Counter(kernel for (kernel, _), (verdict, _) in verdicts.items() if verdict == "ok")
    last = {kernel: date for (kernel, _), (_, date) in sorted(verdicts.items(), key=lambda row: row[1][1])}
    rows = [f"| {kernel} | {last[kernel]} | {asked[kernel]:,} | {ok[kernel]:,} |\n" for kernel in sorted(asked)]
    sure = realkernel.confirmed(verdicts)
    judged = [case for case in cases if not case.word]
    open_ = [case for case in judged if case.label not in sure]
    words = Counter(case.word for case in cases)
    share = 100 * (len(judged) - len(open_)) / len(judged)
    summary = (
        f"\nOf {len(cases):,} cases {words['own']} are about LSF itself, in {words['policy']} it decides otherwise than FreeBSD, and in {words['gap']}"
        f" it lacks what FreeBSD does. Of the other {len(judged):,} some kernel confirms {len(judged) - len(open_):,} ({share:.1f} %).\n"
    )
    differs = {word: [(case.label, case.why) for case in cases if case.word == word] for word in ("policy", "gap")}
    return [
        _KERNELS, *rows, summary,
        *table("What LSF decides otherwise", "| case | why |", differs["policy"]),
        *table("What LSF lacks", "| case | what FreeBSD does |", differs["gap"]),
        *table("What no kernel has confirmed", "| case | what was said |", [(c.label, realkernel.said_of(c.label, verdicts)) for c in open_]),
    ]  # fmt: skip


def page() -> str:
    """The text of docs/user/conformance.md."""
    rows = [
        f"| {s.name} | {s.source} | {s.date} | {s.release} | {s.engine} | {s.cases:,} | {s.passed:,} |\n"
        for s in SUITES
    ]
    parts = [_HEAD, *rows]
    for suite in SUITES:
        if suite.differs:
            parts.append(f"\n## {suite.name}\n\n| what differs | cases | why |\n|---|--:|---|\n")
            parts += [f"| {case.name} | {case.count} | {case.reason} |\n" for case in suite.differs]
    return "".join([*parts, *kernels(realkernel.all_cases(), realkernel.read_verdicts())])


if __name__ == "__main__":
    print(page(), end="")
