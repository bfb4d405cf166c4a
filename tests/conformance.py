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
    Suite("FreeBSD's ATF tests of signals and waits", "tests/sys/kern, contrib/netbsd-tests/lib/libc/sys of the tree of 2019", "2026-11-30", "13.5",
          "sud", 104, 92, (
        Case("t_siginfo: sigalarm, sigfpe_flt, sigbus_adraln", 3, "what siginfo has beside the number; not looked into yet"),
        Case("reaper: reaper_status", 1, "passed when run again: PROC_REAP_STATUS of another process was mended after this run"),
        Case("reaper: reaper_getpids", 1, "not looked into yet"),
        Case("t_sleep: sleep, select, kevent", 3, "they measure time, on a busy machine: select and kevent passed with more of it"),
        Case("what needs ptrace(2), kern.timecounter, or a helper that was not built", 4, "ptrace(2) was refused at that time; the clock is Linux's"),
    )),
    Suite("FreeBSD's ATF tests of ptrace(2)", "tests/sys/kern/ptrace_test of the tree of 2019", "2026-11-30", "13.5", "sud, trap, ptrace", 144, 143, (
        Case("PT_KILL_competing_stop under the engine ptrace", 1,
             "which of two threads with real-time priorities goes on first: under that engine the supervisor answers them in its own order; under the"
             " others it fails at times on a machine that is busy"),
    )),
    Suite("pjdfstest", "github.com/pjd/pjdfstest, FreeBSD's expectations on UFS, run on ext4 as root", "2026-11-30", "13.5", "sud", 12_249, 11_432, (
        Case("flags of FIFOs, devices, sockets and links; jail(8); birth times; ETXTBSY; some of chown/00", 817,
             "Linux's file systems keep extended attributes on files and directories alone, and set no birth time; jails are refused; some twenty"
             " cases of chown/00 were not looked into yet"),
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
