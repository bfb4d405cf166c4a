"""`lsf --stats`: what the guests of one start did, counted by the shim and written when the last of them has ended.

The counters are memory that all guests share (struct stats in lsf/machine/ground/runtime.h). A process forked from `lsf`, the owner,
waits for the guests' end and writes the summary. It is nobody's job and holds no descriptor but its output, and standard
error, on which it says why there is none.
"""

from __future__ import annotations

import _signal
import fcntl
import mmap
import os
import time

from lsf.start.errors import LaunchError, say
from lsf.start.files import above_standard, with_large_files
from lsf.start.options import ENGINES

# lsf/machine/amd64/layout.h has the same numbers (tests/start/test_stats.py compares).
STATS_SIZE = 0x28000
STATS_STARTED = 8
STATS_OWNER = 16
STATS_ENGINE = 32
STATS_PATCHED = 40
STATS_REFUSED = 48
STATS_REASONS = 16
STATS_JUMPED = 112
STATS_ROW = 8192
STATS_ROWS = 1024
STATS_SITE = 32768
STATS_SITES = 1024
STATS_VERSION = 1

_SITE_SIZE = 128
_SITE_NAME = 32
_SITE_NAME_SIZE = 96
_FORMATS = ("text", "json")
_ENGINES = {number: name for name, number in ENGINES.items()}

#: Why a site was left alone, by the numbers of lsf/machine/amd64/patch.pxi (OUTCOME_UNKNOWN_PATTERN and after).
REASONS = {
    2: "no jump fits there, and what is before it is not proven",
    3: "shared mapping",
    4: "code that the program writes",
    6: "no room for a trampoline",
    7: "not writable",
    8: "not readable",
    9: "no place in the table of sites",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Memory = bytes | bytearray | mmap.mmap
    Summary = dict[str, Any]


def parse(text: str) -> tuple[str, str]:
    """What --stats was given, [text|json][:FILE], as (format, file); no file is standard error. Raises LaunchError."""
    form, colon, name = text.partition(":")
    if (form or "text") not in _FORMATS or (colon and not name):
        raise LaunchError(f"--stats={text}: not of the form [text|json][:FILE]")
    return form or "text", name


def start(text: str) -> int:
    """Fork the owner: the descriptor of the counters, which the guests inherit. Raises LaunchError."""
    form, name = parse(text)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    try:
        output = above_standard(os.open(name, flags, 0o666) if name else os.dup(2))
    except OSError as error:
        raise LaunchError(f"--stats={text}: {error.strerror}") from None
    try:
        told, tell = map(above_standard, os.pipe())
        # A limit on the size of files ends nobody, and where SIGCHLD is ignored there is no child to wait for.
        actions = [(number, _signal.signal(number, action)) for number, action in _MEANWHILE]
        try:
            counters, waiting = with_large_files(_counters)
            _fork_owner(waiting, output, tell, text)
        finally:
            for number, action in actions:
                _signal.signal(number, action)
    except OSError as error:
        raise LaunchError(f"--stats: the counters cannot be set up: {error.strerror}") from None
    for fd in (tell, waiting, output):
        os.close(fd)
    ready = os.read(told, 1)
    os.close(told)
    if not ready:
        raise LaunchError("--stats: the process that waits for the guests cannot be made")
    return counters


def _counters() -> tuple[int, int]:
    """New counters: the guests' descriptor, and the one with which the owner waits. Raises OSError."""
    counters = above_standard(os.memfd_create("lsf-stats", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    try:
        os.truncate(counters, STATS_SIZE)
    except OSError:
        os.close(counters)
        raise
    # A guest that was counted in memory that shrank would die of it.
    fcntl.fcntl(counters, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    memory = mmap.mmap(counters, STATS_SIZE)
    # A second open file of the same memory: it gets the lock when nobody holds the first one any more.
    waiting = above_standard(os.open(f"/proc/self/fd/{counters}", os.O_RDWR | os.O_CLOEXEC))
    fcntl.flock(counters, fcntl.LOCK_EX)
    memory[0:8] = STATS_VERSION.to_bytes(8, "little")
    memory[STATS_STARTED : STATS_STARTED + 8] = time.monotonic_ns().to_bytes(8, "little")
    # Mapped from the guests' open file, it would keep the lock.
    memory.close()
    return counters, waiting


_MEANWHILE = ((_signal.SIGXFSZ, _signal.SIG_IGN), (_signal.SIGCHLD, _signal.SIG_DFL))


def _fork_owner(waiting: int, output: int, tell: int, text: str) -> None:
    """Two forks: the owner may not be a child of the guest, which would find it by wait()."""
    middle = os.fork()
    if middle == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _own(waiting, output, tell, text)
        finally:
            os._exit(0)
    os.waitpid(middle, 0)


def _own(waiting: int, output: int, tell: int, text: str) -> None:
    """The owner's life; returns when it is over, whatever happens."""
    import resource  # not on the guest's way
    import signal

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))  # the limit is the program's
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    kept = sorted({2, waiting, output, tell})
    for low, high in zip((-1, *kept), (*kept, os.sysconf("SC_OPEN_MAX")), strict=True):
        os.closerange(low + 1, high)
    os.chdir("/")
    try:
        _write(output, _summary(waiting, tell, parse(text)[0]))
    except BrokenPipeError:
        pass  # nobody wants to know
    except Exception as error:  # it is the last that happens
        reason = getattr(error, "strerror", None) or f"the summary cannot be made ({type(error).__name__}: {error})"
        say(f"--stats={text}: {reason}")


def _write(output: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(output, data) :]
        except BlockingIOError:  # whoever shares the open file has made it so
            import select

            poll = select.poll()
            poll.register(output, select.POLLOUT)
            poll.poll()


def _summary(waiting: int, tell: int, form: str) -> bytes:
    """Wait for the guests' end: what is to be written, nothing where no program was started (which was told)."""
    try:
        with open("/proc/self/comm", "w") as comm:
            comm.write("lsf-stats")
    except OSError:
        pass  # a name for ps, no more
    with mmap.mmap(waiting, STATS_SIZE) as memory:
        memory[STATS_OWNER : STATS_OWNER + 4] = os.getpid().to_bytes(4, "little")
        os.write(tell, b"!")
        os.close(tell)
        import json  # while the guests run: these take some milliseconds

        from lsf.freebsd.tables import table

        table.load()
        fcntl.flock(waiting, fcntl.LOCK_EX)
        summary = read(memory, time.monotonic_ns())
    if summary["processes"] == 0:
        return b""
    return (json.dumps(summary) + "\n" if form == "json" else as_text(summary)).encode(errors="surrogateescape")


# ---------------------------------------------------------------- the summary


def read(memory: Memory, now: int) -> Summary:
    """The summary of the counters in `memory`, a buffer of STATS_SIZE bytes, at `now` (ns of CLOCK_MONOTONIC).

    Times are seconds. docs/user/stats.md describes the keys.
    """
    from lsf.freebsd.tables import table

    longs, words = memoryview(memory).cast("Q"), memoryview(memory).cast("I")
    try:
        rows: dict[str, Summary] = {}
        for number in range(STATS_ROWS):
            at = STATS_ROW // 8 + 3 * number
            calls, errors, nanoseconds = longs[at : at + 3]
            if calls or errors:
                known = table.by_number().get(number)
                name, lane = (known.name, known.lane) if known else ("(unknown)", "refuse")
                rows[name] = {"lane": lane, "calls": calls, "errors": errors, "seconds": nanoseconds / 1e9}
        lanes = {lane: {"calls": 0, "errors": 0, "seconds": 0.0} for lane in ("pass", "translate", "refuse")}
        for row in rows.values():
            for key, total in lanes[row["lane"]].items():
                lanes[row["lane"]][key] = total + row[key]
        processes, images, engine, no_patch = words[STATS_ENGINE // 4 - 2 : STATS_ENGINE // 4 + 2]
        patched, lost = words[STATS_PATCHED // 4 : STATS_PATCHED // 4 + 2]
        refused = words[STATS_REFUSED // 4 : STATS_REFUSED // 4 + STATS_REASONS]
        jumped, trapped, restarts = longs[STATS_JUMPED // 8 : STATS_JUMPED // 8 + 3]
        return {
            "version": STATS_VERSION,
            "engine": _ENGINES.get(engine, "?"),
            "seconds": (now - longs[STATS_STARTED // 8]) / 1e9,
            "processes": processes,
            "programs": images,
            "threads": processes + sum(rows[n]["calls"] - rows[n]["errors"] for n in _THREAD_STARTS if n in rows),
            "calls": sum(row["calls"] for row in rows.values()),
            "errors": sum(row["errors"] for row in rows.values()),
            "seconds_in_calls": sum(row["seconds"] for row in rows.values()),
            "restarts": restarts,
            "lanes": lanes,
            "syscalls": dict(sorted(rows.items(), key=lambda item: (-item[1]["calls"], item[0]))),
            "patching": {
                "on": not no_patch,
                "calls_through_patched_sites": jumped,
                "calls_that_trapped": trapped,
                "patched_sites": patched,
                "refused_sites": {text: refused[reason] for reason, text in REASONS.items() if refused[reason]},
                "refused": _refused_sites(memory),
                "refused_not_listed": lost,
            },
        }
    finally:
        longs.release()
        words.release()


_THREAD_STARTS = ("thr_new", "thr_create")


def _refused_sites(memory: Memory) -> list[Summary]:
    """The sites that were left alone: those of a file once, however many images have it."""
    sites: dict[tuple[str | None, int, int], Summary] = {}
    for number in range(STATS_SITES):
        at = STATS_SITE + _SITE_SIZE * number
        key, traps, offset, reason = (int.from_bytes(memory[at + 8 * i : at + 8 * i + 8], "little") for i in range(4))
        reason &= 0xFFFFFFFF  # beside it stands who may write it
        if key == 0 or reason not in REASONS:
            continue
        raw = bytes(memory[at + _SITE_NAME : at + _SITE_NAME + _SITE_NAME_SIZE]).partition(b"\0")[0]
        name = os.fsdecode(raw) if raw else None
        found = sites.setdefault((name, offset, reason),
                                 {"file": name, "offset": offset, "reason": REASONS[reason], "calls": 0})  # fmt: skip
        found["calls"] += traps
    return sorted(sites.values(), key=lambda site: (-site["calls"], site["file"] or "", site["offset"]))


def as_text(summary: Summary) -> str:
    """The summary as `lsf --stats` prints it."""
    patching = summary["patching"]
    lines = [
        f"lsf: {summary['seconds']:.3f} s, {_count(summary['processes'], 'process', 'processes')},"
        f" {_count(summary['programs'], 'program')}, {_count(summary['threads'], 'thread')}, engine {summary['engine']}",
        f"{'calls':>10} {'errors':>8} {'seconds':>10} {'us/call':>9}  {'lane':9}  syscall",
    ]
    total = {"lane": "", **{key: summary[key] for key in ("calls", "errors")}, "seconds": summary["seconds_in_calls"]}
    lanes = [(f"all of the lane {lane}", {"lane": lane, **row}) for lane, row in summary["lanes"].items()]
    for name, row in [*summary["syscalls"].items(), *lanes, ("all", total)]:
        each = row["seconds"] / row["calls"] * 1e6 if row["calls"] else 0
        lines.append(f"{row['calls']:10} {row['errors']:8} {row['seconds']:10.6f} {each:9.2f}  {row['lane']:9}  {name}")
    if summary["restarts"]:
        lines.append(f"{summary['restarts']:10} interrupted by a signal and made again")
    lines.append(f"{patching['patched_sites']:10} {'sites' if patching['patched_sites'] != 1 else 'site'} patched,"
                 f" {_count(patching['calls_through_patched_sites'], 'call')} through them;"
                 f" {_count(patching['calls_that_trapped'], 'call')} trapped"
                 f"{'' if patching['on'] else ' (--no-patch)'}")  # fmt: skip
    for reason, count in patching["refused_sites"].items():
        lines.append(f"{count:10} {'sites' if count != 1 else 'site'} not patched: {reason}")
    for site in patching["refused"]:
        place = f"{site['file']}+{site['offset']:#x}" if site["file"] else f"{site['offset']:#x}"
        lines.append(f"{site['calls']:10} {'calls' if site['calls'] != 1 else 'call'} at {place}: {site['reason']}")
    return "\n".join(lines) + "\n"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
