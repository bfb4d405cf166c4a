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
          " Capsicum and of audit", "2026-11-30", "13.5", "sud; trap and ptrace what calls the kernel", 1_223, 1_106, (
        Case("reaper_getpids", 1, "of an orphan that is a zombie it is not known any more from which child of the reaper it comes"),
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
    Suite("FreeBSD's ATF tests of 2026", "tests/sys, lib/libc/tests, lib/libthr/tests and contrib/netbsd-tests of the tree that becomes 16, built with"
          " its headers for 15.1's libraries, but for those of kernel TLS (636, which skip themselves), of the resolver and of audit", "2026-11-30",
          "15.1", "sud; trap and ptrace what is of ptrace(2) and ktrace(2)", 2_521, 2_124, (
        Case("ktrace_test: ktrace__setuid_exec", 1, "the root's su was not set-user-id"),
        Case("kqueue_peek_signal, fifo_kqueue__connecting_reader", 2,
             "a kqueue in a kqueue by EV_CLEAR may be told of a signal twice; EVFILT_READ of a FIFO's writer"),
        Case("cponfork_notes", 1, "KQUEUE_CPONFORK is EINVAL, as in 15.1: it is the next release's"),
        Case("inotify_event_move, inotify_event_open", 2, "Linux tells of a directory's entry before the moved file itself, and nothing of an opening by O_PATH"),
        Case("socket_splice", 12, "SO_SPLICE is ENOPROTOOPT, as without it"),
        Case("netlink_socket: overflow, sizes, membership", 3, "netlink: FIONREAD counts what one read gets, and requests do not wait for room for their"
             " answers; LSF changes no routes"),
        Case("unix_dgram: basic, one2many; unix_stream: full_writability_*, SO_SNDTIMEO; send_overflow, rights_creds_payload, aio_socket_short_write_cancel", 9,
             "Linux's local sockets hold other amounts than FreeBSD's, and control messages take no room there"),
        Case("unconnected_writability, socket_afinet_multibind, socket_afinet_bind_connected_port, aio_socket_listen_pending", 4,
             "Linux's answers where FreeBSD has others: of sockets that are not connected, that wait for aio, and of who may bind a port beside whom"),
        Case("unix_passfd: send_a_lot (2), empty_rights_message; random_eor_and_waitall", 4,
             "how many descriptors may be on their way; none come with no bytes of a stream; MSG_WAITALL over the ends of records"),
        Case("IP_ONESBCAST, IP_SENDSRCADDR", 2, "Linux has no such option, and no addresses that are not the machine's"),
        Case("aio_writev_dos_iov_len, kern_copyin, realpath_empty_symlink, wait6_exited, o_search_*, pid_recycle", 8,
             "Linux's: a write up to an address that is none has a length; the last page; no empty links; 8 bits of an exit status; a directory's descriptor"
             " asks for rights anew; numbers of processes come round"),
        Case("pipe_kqueue__*, fifo_kqueue__writes, getdirentries_einval, pty: fionread, memfd: hugetlb", 7,
             "sizes of Linux's pipes; where a directory's offset may stand; what a closed terminal's output leaves; no large pages"),
        Case("exec_only_sh, getfhat_beneath, test_setinvalidcpu, gettext_extended, test_sti: root", 5,
             "O_NONBLOCK of what is open to execute alone; AT_RESOLVE_BENEATH of getfhat(2); bits beyond the last processor; the kernel's"
             " words for an error; a job that does not end"),
        Case("modfind; pdwait: basic", 2, "they want the module rootbus, and that a child which ends at once has taken system time"),
        Case("cpuset_test (7), jaildesc, jail_root, unix_passfd: cross_jail_dirfd (2), gethostname_jailed, fortify_unistd_test: get*name_* (10)", 24,
             "jails are refused, and sets of processors are one"),
        Case("setdomainname_*, clock_gettime_real, mlock_test (4), setrlimit_memlock, kern_maxfiles__increase, largepage_mlock, sigwait (4), sigsys (2)", 16,
             "they set the machine's name or the kernel's settings, which LSF leaves alone"),
        Case("inotify_nullfs*, inotify_event_unmount", 4, "nmount(2) of a file system is refused"),
        Case("link_perm, unlink_perm, mkdir_perm, setlogin_perm, truncate_err, access_text, aslr_setuid", 7,
             "the root is shown to a user as one that is only to be read; nobody has logged in; files that an installation makes were not there"),
        Case("locales: lib/libc/tests/locale, iconv, fnmatch2, vis, strfmon, wcscoll, wcscasecmp_greek, printfloat", 39,
             "the root had the locales of another release"),
        Case("nss, getaddrinfo", 55, "they want names of the Internet"),
        Case("dlopen_test, main_pthread_create_dso, t_tls_dlopen, cxa_atexit_test, stack_dlopen_exec_test", 10, "their libraries were not built"),
        Case("libalias", 7, "the library was 13.5's"),
        Case("aio_test: md_*, aio_writev_efault, vectored_*; fdgrowtable_test, mmap_test (2), path_ioctl", 15, "no memory disks, /dev/kmem, /dev/devstat nor md(4)"),
        Case("aio_test: fifo_*, pty_*, pipe_*", 18, "vfs.aio.enable_unsafe is 0, as it is on FreeBSD; built not to ask"),
        Case("fortify: *_heap_after_end (4), qsort_r_test, vectored_thread, clearenv (2), opendir_test (2), timerfd (2), ptrace__syscall_args_anywhere", 13,
             "how they were built and run: the compiler does not know those sizes; 13.5's declaration; aio without libc; a variable of their runner's; an order"
             " of entries; errno as 15.1's libthr leaves it; the call that nanosleep(3) is"),
        Case("shared_shadow_inval_test", 2, "not done within 30 seconds, eager_cow not within three minutes either"),
        Case("skipped by the tests themselves", 125, "without epair(4), several routing tables, kcov(4), large pages, BPF, zfs or accept filters; of other"
             " processors; that a user or a terminal be there; what may set the clock"),
    )),
    Suite("FreeBSD's ATF tests of ptrace(2)", "tests/sys/kern/ptrace_test of the tree of 2019", "2026-11-30", "13.5", "sud, trap, ptrace", 144, 143, (
        Case("PT_KILL_competing_stop under the engine ptrace", 1,
             "which of two threads with real-time priorities goes on first: under that engine the supervisor answers them in its own order; under the"
             " others it fails at times on a machine that is busy"),
    )),
    Suite("FreeBSD's ATF tests of ktrace(2)", "tests/sys/kern/ktrace_test of the tree of 2026", "2026-11-30", "13.5", "sud, trap, ptrace", 10, 9, (
        Case("setuid_exec", 1, "it wants FreeBSD's su(1), which the root had not"),
    )),
    Suite("pjdfstest", "github.com/pjd/pjdfstest, FreeBSD's expectations on UFS, run on ext4 as root", "2026-11-30", "13.5", "sud", 12_249, 12_128, (
        Case("chflags/09", 117, "what root may do in a jail, by jail(8): jails are refused"),
        Case("utimensat/03: 10", 1, "a time of birth that was set back once stays so on FreeBSD; Linux sets none, and it is told while the time of modification is"
             " before its own"),
        Case("chmod/00: 200", 1, "the test's own: FreeBSD does otherwise, too (TODO)"),
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
    Suite("CPython's test suite", "CPython 3.11.2 of Debian's python3.11, all 434 modules, without network, sound and a display", "2026-11-30", "13.5",
          "sud; trap and ptrace what calls the kernel", 39_345, 37_884, (
        Case("skipped by the tests themselves", 1450, "of Windows, macOS and Linux (epoll, pidfd, splice, abstract sockets), of memory that the machine has not,"
             " of Tk, locales, bash, zip and llvm-ar, which the root had not"),
        Case("known failures", 7, "CPython's own: it expects them to fail"),
        Case("test_freeze, test_search_cpp, test_cppext (2)", 4, "they want a compiler, which the root had not"),
    )),
    Suite("Perl's test suite", "Perl 5.36.0 with threads, of Debian's perl: io, op, lib, base, cmd, comp, opbasic and mro of t, and lib, ext, dist and cpan; by"
          " files of tests (613,893 tests)", "2026-11-30", "13.5", "sud", 2_331, 2_181, (
        Case("skipped by the tests themselves", 126, "of other systems, for want of a network, a terminal, or of what was not built"),
        Case("Win32 (15), VMS (3)", 18, "their modules are built on those systems alone"),
        Case("Embed, Constant, 02-xsdynamic, 03-xsstatic", 4, "they want a compiler, which the root had not"),
        Case("IO-Zlib: external, getc", 2, "they share the name of a file, and were run beside each other: each passes alone"),
    )),
    Suite("APR's tests", "APR 1.7.2 of Debian, with kqueue and threads; by suites", "2026-11-30", "13.5", "sud", 44, 44),
    Suite("libevent's tests", "libevent 2.1.12 of Debian, with kqueue", "2026-11-30", "13.5", "sud", 350, 309, (
        Case("skipped by the tests themselves", 41, "33 of them on Linux, too; 8 want EV_FEATURE_EARLY_CLOSE, which its kqueue has not"),
    )),
    Suite("nix's tests", "the crate nix 0.26.1 of Debian", "2026-11-30", "13.5", "sud", 272, 266, (
        Case("ignored by the tests themselves", 2, "statfs_call_strict, fstatfs_call_strict"),
        Case("test_aio::aio_fsync::error", 1, "it makes a value that Rust of today does not let it make"),
        Case("test_nmount (2), test_acct", 3, "nmount(2) and acct(2) are refused"),
    )),
    Suite("bash's tests", "bash 5.2.15 of Debian, by scripts, without a terminal", "2026-11-30", "13.5", "sud", 83, 70, (
        Case("alias, builtins, glob-test, intl, printf", 5, "they want locales, which the machine's Linux had not, either"),
        Case("heredoc, nameref, new-exp, read, test, vredir", 6, "for root, without a terminal, or out of their own tree: the same on the machine's Linux"),
        Case("execscript", 1, "it wants no root, and bash in PATH"),
        Case("cond", 1, "a regular expression that FreeBSD's libc refuses, and glibc does not"),
    )),
    Suite("FreeBSD's tests of sh(1)", "bin/sh/tests of the tree that becomes 16, by the sh of 15.1", "2026-11-30", "15.1", "sud", 511, 502, (
        Case("case5, case7, locale1, length7, pathname6, trim8, dollar-quote10, dollar-quote11", 8, "they want locales, which the root had not"),
        Case("fc3", 1, "the root's sh was built without a history"),
    )),
    Suite("gnulib's tests, as m4 has them", "m4 1.4.19, configured by running its checks under LSF", "2026-11-30", "13.5", "sud, trap, ptrace", 267, 232, (
        Case("skipped by the tests themselves", 35, "of other locales and other systems, for want of git, cvs and a compiler"),
    )),
    Suite("gnulib's tests, as findutils has them", "findutils 4.9.0, configured by running its checks under LSF", "2026-11-30", "13.5", "sud", 262, 224, (
        Case("skipped by the tests themselves", 38, "of other locales, ACLs and other systems"),
    )),
    Suite("gnulib's tests, as coreutils has them", "coreutils 9.1, configured for another machine", "2026-11-30", "13.5", "sud", 370, 312, (
        Case("skipped by the tests themselves", 56, "of other locales, ACLs and other systems"),
        Case("test-freopen", 1, "FreeBSD's libc closes the new descriptor where stdin was closed: dup2(0, 0), close(0)"),
        Case("test-nanosleep", 1, "its nanosleep was made of pselect(2), as configure guesses, and FreeBSD's takes -1 ns for 0 us"),
    )),
    Suite("coreutils' own tests, those in sh", "coreutils 9.1, run as root by FreeBSD 10.1's sh", "2026-11-30", "13.5", "sud", 570, 382, (
        Case("skipped by the tests themselves", 184, "for who is no root, very expensive, of Linux alone, for want of Perl, a compiler and a terminal"),
        Case("head-write-error", 1, "FreeBSD's libc keeps what it could not write, and says so once more at the end"),
        Case("shuf", 1, "test-freopen's reason"),
        Case("df-symlink", 1, "one disk is mounted at several places of a view, and df names the first"),
        Case("chroot-credentials", 1, "up to release 14 setgid(2) changes the first of the groups; it fails on the machine's Linux, too"),
    )),
    Suite("tar's tests", "tar 1.34", "2026-11-30", "13.5", "sud", 204, 170, (
        Case("skipped by the tests themselves", 34, "for want of a disk image, of older archives, or of what the file system lacks"),
    )),
    Suite("psutil's tests", "psutil 7.2.2 with CPython 3.11.2: those of processes, the system, connections, types, odd names and the heap", "2026-11-30", "13.5",
          "sud", 269, 249, (
        Case("skipped by the tests themselves", 18, "of other systems or broken on FreeBSD, for want of a battery, sensors, a compiler and cores of several threads"),
        Case("test_users", 1, "nobody has logged in"),
        Case("TestPidsRange", 1, "numbers of threads lie among those of processes, and kern.proc.pid takes both, as on FreeBSD"),
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


def older(verdicts: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """What a kernel says otherwise than a case that another confirms: how many by which reason, and what nobody has judged."""
    judged, sure = realkernel.read_judged(), realkernel.confirmed(verdicts)
    differs = {key: said for key, (said, _) in verdicts.items() if said not in ("ok", "elsewhere") and key[1] in sure}
    parts = []
    for kernel in sorted({kernel for kernel, _ in differs}):
        said = {case: what for (of, case), what in differs.items() if of == kernel}
        calls = [
            case
            for case, what in said.items()
            if what.startswith(realkernel.NO_SUCH_CALL) and (kernel, case) not in judged
        ]
        why = Counter(judged[kernel, case][1] for case in said if (kernel, case) in judged)
        left = [
            (case, what) for case, what in sorted(said.items()) if case not in calls and (kernel, case) not in judged
        ]
        rows = [
            ("it lacks a call that the case makes", len(calls)),
            *sorted(why.items(), key=lambda row: (-row[1], row[0])),
        ]
        parts += table(
            f"What {kernel} says otherwise, and another kernel confirms",
            "| why | cases |",
            [(w, str(n)) for w, n in rows if n],
        )
        parts += table(f"What of {kernel} is not judged", "| case | what was said |", left)
    return parts


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
        *older(verdicts),
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
