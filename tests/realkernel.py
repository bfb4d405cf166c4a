"""Runs the guests of tests/guests on a FreeBSD kernel in qemu, and keeps what it said as the verdict of each case.

    $ python tests/realkernel.py --kernel boot/kernel/kernel                       # a kernel that qemu starts itself (14 and later)
    $ python tests/realkernel.py --qemu '-drive file=vm.raw,format=raw,if=virtio'  # a machine that starts itself: an official image
    $ python tests/realkernel.py --kernel K --cases pipe kqueue_core.user          # some guests, some cases

The guests, a list of cases and `realkernel/runner.c` go onto a disk (`ufs.py`). With --kernel the disk
is the root and the runner the first process. A machine that starts itself is logged in to on its serial console (--login, as root, who has
no password in FreeBSD's images for virtual machines), and the runner is started in a chroot of the disk (--disk says what it is called there).

A verdict is one line of verdicts.tsv: kernel, case, verdict, date. `ok`, or what the kernel said; `skip` and a reason; `late`; `stopped`: the
kernel did not survive it. Each case that is not ok runs once more, alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import harness  # noqa: E402
import releases  # noqa: E402
import ufs  # noqa: E402

HERE = Path(__file__).resolve().parent / "realkernel"
VERDICTS = HERE / "verdicts.tsv"
HEADER = "# kernel\tcase\tverdict\tdate\n"
#: Why a kernel says otherwise than a case, judged by its sources: one line for kernel, case, kind (one of KINDS), reason.
JUDGED = HERE / "judged.tsv"
#: FreeBSD does since that kernel what the case says; or that machine lacks what the case wants.
KINDS = ("newer", "machine")
#: How a kernel ends a program that makes a call it does not have.
NO_SUCH_CALL = "signal 12"

#: Seconds for a case, in an emulated processor.
CASE_SECONDS = 60
#: Seconds without a word after which a machine has stopped, beyond those of a case.
SILENCE = 60.0
#: The kernel's environment where it is started by itself.
ENVIRONMENT = (
    "vfs.root.mountfrom=ufs:/dev/vtbd0 vfs.root.mountfrom.options=rw console=comconsole boot_serial=YES kern.hz=1000"
)
#: What a guest's source says of a case, before its TEST: `/* judge: own, reason */` and the like.
_JUDGE = re.compile(r"/\* judge: (\w+)(?:, (.*?))? \*/\s*TEST\((\w+)\)", re.DOTALL)
#: Why a case is not run on a kernel: its matter is LSF's own; LSF decides otherwise, knowingly; LSF lacks what FreeBSD does.
REASONS = ("own", "policy", "gap")
#: The uid of `judge: user`: what an ordinary user is to run.
USER = 1001


@dataclasses.dataclass(frozen=True)
class Case:
    """A case of a guest; which of REASONS keeps it from a kernel, or "", and why; the uid that it is run as."""

    guest: str
    name: str
    word: str = ""
    why: str = ""
    uid: int = 0

    @property
    def label(self) -> str:
        return f"{self.guest}.{self.name}"


def cases_of(guest: str, source: str) -> list[Case]:
    """The cases in a guest's source, with what it says of how they are judged."""
    judged = {name: (word, re.sub(r"\s*\n \* |\s+", " ", why or "")) for word, why, name in _JUDGE.findall(source)}
    found = []
    for name in re.findall(r"^TEST\((\w+)\)", source, re.MULTILINE):
        word, why = judged.get(name, ("", ""))
        if word == "user":
            found.append(Case(guest, name, uid=USER))
        elif not word or (word in REASONS and why):
            found.append(Case(guest, name, word, why))
        else:
            raise ValueError(
                f"{guest}.{name}: /* judge: {word}, {why} */: want `user`, or {', '.join(REASONS)} with a reason"
            )
    return found


def all_cases() -> list[Case]:
    """Every case of tests/guests, in the order of files and of their text."""
    return [case for path in harness.guests() for case in cases_of(path.stem, path.read_text())]


# ---------------------------------------------------------------- what the runner says


@dataclasses.dataclass
class Said:
    """What a machine said: which kernel it is (release, osreldate, ident), a verdict for each case that ended, and whether all did."""

    kernel: tuple[str, int, str] | None = None
    verdicts: dict[str, str] = dataclasses.field(default_factory=dict)
    running: str | None = None
    done: bool = False

    def line(self, line: str) -> None:
        """Take one line of the console: what is not the runner's is passed over."""
        word, _, rest = line.strip("\r\n").partition(" ")
        if word == "@kernel" and len(fields := rest.split()) == 3:
            self.kernel = (fields[0], int(fields[1]), fields[2])
        elif word == "@start":
            self.running = rest
        elif word == "@end" and (ended := parse_end(rest)) is not None:
            self.running = None
            self.verdicts[ended[0]] = ended[1]
        elif word == "@done":
            self.done = True


def parse_end(text: str) -> tuple[str, str] | None:
    """The case and the verdict in what follows `@end`; None where the line is not whole."""
    head, *outputs = text.split("\t")
    fields = head.split()
    if len(fields) != 4 or len(outputs) != 2:
        return None
    label, how, number, _ = fields
    last, errors = outputs[0], outputs[1].strip("|")
    if how == "exit" and number == "0":
        if last == f"ok {label}":
            return label, "ok"
        if last.startswith("skip "):
            return label, f"skip: {last.partition(': ')[2]}"
        if last.startswith("elsewhere "):
            return label, "elsewhere"
    ended = {"exit": f"status {number}", "signal": f"signal {number}", "late": "late"}.get(how)
    if ended is None:
        return None
    return label, "; ".join(part for part in (ended, re.sub(r"\S*/(\w+\.[ch]:)", r"\1", errors)) if part)


# ---------------------------------------------------------------- verdicts


def read_judged(path: Path = JUDGED) -> dict[tuple[str, str], tuple[str, str]]:
    """(kernel, case): (kind, reason)."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {(kernel, case): (kind, reason) for kernel, case, kind, reason in lines}


def read_verdicts(path: Path = VERDICTS) -> dict[tuple[str, str], tuple[str, str]]:
    """(kernel, case): (verdict, date)."""
    if not path.exists():
        return {}
    rows = (line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#"))
    return {(kernel, case): (verdict, date) for kernel, case, verdict, date in rows}


def write_verdicts(verdicts: dict[tuple[str, str], tuple[str, str]], path: Path = VERDICTS) -> None:
    """Write them in the order of kernels and cases, so that what changed is what a diff shows."""
    rows = ("\t".join((*key, *value)) + "\n" for key, value in sorted(verdicts.items()))
    path.write_text(HEADER + "".join(rows))


def confirmed(verdicts: dict[tuple[str, str], tuple[str, str]]) -> set[str]:
    """The cases of which some kernel said `ok`."""
    return {label for (_, label), (verdict, _) in verdicts.items() if verdict == "ok"}


def said_of(label: str, verdicts: dict[tuple[str, str], tuple[str, str]] | None = None) -> str:
    """What the kernels said of a case, in one line, or that none was asked."""
    known = read_verdicts() if verdicts is None else verdicts
    found = [f"{kernel}: {verdict} ({date})" for (kernel, case), (verdict, date) in known.items() if case == label]
    return "; ".join(found) or "no kernel was asked"


# ---------------------------------------------------------------- the disk


def make_disk(where: Path, cases: Iterable[Case], programs: dict[str, Path], seconds: int) -> Path:
    """A UFS image with the runner, the guests and the list of cases, and room for what they write."""
    root = where / "root"
    for folder in ("dev", "sbin", "guests", "tmp", "etc", "var/run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(harness.compile_guest(HERE / "runner.c"), root / "sbin/init")
    for guest, program in programs.items():
        if not (root / "guests" / guest).exists():
            shutil.copy(program, root / "guests" / guest)
    (root / "cases").write_text("".join(f"{case.guest} {case.name} {seconds} {case.uid}\n" for case in cases))
    disk = where / "guests.ufs"
    ufs.make(disk, root)
    return disk


def compile_all(cases: Iterable[Case], release: int) -> dict[str, Path]:
    """The guests of these cases, built with the headers of a release."""
    found, missing = releases.folders()
    if release not in found:
        raise SystemExit(f"no headers of FreeBSD {release}: {'; '.join(missing)}")
    flags = ("-DGUEST_RELEASE=15",) if release >= 15 else ()
    headers = found[release] if release != 14 else None
    guests = {case.guest: None for case in cases}
    return {guest: harness.compile_guest(guest, flags, headers=headers) for guest in guests}


# ---------------------------------------------------------------- the machine


@dataclasses.dataclass
class Machine:
    """How a machine is started, and how the runner is, on one that starts itself."""

    qemu: list[str]
    login: list[str]

    @classmethod
    def of(cls, options: argparse.Namespace, disk: Path) -> Machine:
        command = ["qemu-system-x86_64", "-M", "q35", "-cpu", options.cpu, "-smp", str(options.smp), "-m", str(options.memory), "-display",
                   "none", "-nodefaults", "-no-reboot", "-serial", "stdio"]  # fmt: skip
        if options.accel:
            command += ["-accel", options.accel]
        if options.kernel:
            command += ["-kernel", options.kernel, "-append", f"{ENVIRONMENT} {options.environment}".strip()]
        command += shlex.split(options.qemu or "")
        command += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
        there = f"mkdir -p /tmp/lsf && mount {options.disk} /tmp/lsf && chroot /tmp/lsf /sbin/init; shutdown -p now"
        return cls(command, [] if options.kernel else [options.login, there])

    def console(self, silence: float) -> Iterator[str]:
        """Its console's lines as they come, until it ends or says nothing for so many seconds; it is logged in to on the way."""
        process = subprocess.Popen(self.qemu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            yield from self._lines(process, silence)
        finally:
            process.kill()
            process.wait()

    def _lines(self, process: subprocess.Popen, silence: float) -> Iterator[str]:
        assert process.stdin is not None and process.stdout is not None
        answers = dict(zip((b"login:", b"#"), self.login, strict=False))
        selector = selectors.DefaultSelector()
        selector.register(process.stdout, selectors.EVENT_READ)
        pending = b""
        while selector.select(silence):
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
            prompt = next(iter(answers), None)
            if prompt is not None and pending.rstrip().endswith(prompt):
                process.stdin.write(answers.pop(prompt).encode() + b"\n")
                process.stdin.flush()


def run_on(options: argparse.Namespace, cases: list[Case], programs: dict[str, Path]) -> Said:
    """Run cases until each has a verdict: a machine that stops is started again without the case that stopped it."""
    all_said = Said()
    left = list(cases)
    while left:
        with tempfile.TemporaryDirectory(prefix="realkernel-", dir=options.scratch) as where:
            disk = make_disk(Path(where), left, programs, options.seconds)
            said = follow(Machine.of(options, disk), options)
        all_said.kernel = said.kernel or all_said.kernel
        if said.kernel is None:
            raise SystemExit("the machine did not come as far as the runner: --verbose shows its console")
        if said.running is not None:
            said.verdicts[said.running] = "stopped"
        all_said.verdicts.update(said.verdicts)
        remaining = [case for case in left if case.label not in said.verdicts]
        if len(remaining) == len(left):
            raise SystemExit("the machine ran no case")
        left = remaining
    all_said.done = True
    return all_said


def follow(machine: Machine, options: argparse.Namespace) -> Said:
    """Start a machine and take down what it says."""
    said = Said()
    started = time.monotonic()
    for line in machine.console(options.seconds + SILENCE):
        if options.verbose:
            print(line, file=sys.stderr)
        before = len(said.verdicts)
        said.line(line)
        if len(said.verdicts) > before and not options.verbose:
            label, verdict = next(reversed(said.verdicts.items()))
            print(f"{time.monotonic() - started:6.0f} s  {label}: {verdict}", file=sys.stderr, flush=True)
        if said.done:
            break
    return said


# ---------------------------------------------------------------- the command


def chosen(names: list[str]) -> list[Case]:
    """The cases that are named, by guest or by case; all that a kernel can judge where nothing is."""
    cases = [case for case in all_cases() if not case.word]
    if not names:
        return cases
    unknown = set(names) - {case.guest for case in cases} - {case.label for case in cases}
    if unknown:
        raise SystemExit(f"no such guest or case: {', '.join(sorted(unknown))}")
    return [case for case in cases if case.guest in names or case.label in names]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run tests/guests on a FreeBSD kernel in qemu.")
    parser.add_argument("--kernel", help="a kernel that qemu starts: one with Xen's note, UFS and virtio_blk in it")
    parser.add_argument("--environment", default="", help="more of the kernel's environment, NAME=VALUE ...")
    parser.add_argument("--qemu", help="options of qemu that start the machine, or more of them")
    parser.add_argument("--login", default="root", help="who logs in on a machine that starts itself")
    parser.add_argument("--disk", default="/dev/vtbd1", help="what such a machine calls the disk of guests")
    parser.add_argument("--release", type=int, default=15, help="whose headers the guests are built with: 14 or 15")
    parser.add_argument("--cases", nargs="*", default=[], help="guests or guest.case; all where none is named")
    parser.add_argument("--seconds", type=int, default=CASE_SECONDS, help="for a case")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2048, help="MiB")
    parser.add_argument("--accel", default="", help="kvm, where there is one")
    parser.add_argument("--scratch", help="where the disk is made")
    parser.add_argument("--dry", action="store_true", help="print the verdicts, and keep none")
    parser.add_argument("--once", action="store_true", help="what is not ok does not run again")
    parser.add_argument("--verbose", action="store_true", help="show the console")
    return parser


def main() -> int:
    options = arguments().parse_args()
    if not options.kernel and not options.qemu:
        raise SystemExit("--kernel or --qemu says what machine it is")
    cases = chosen(options.cases)
    programs = compile_all(cases, options.release)
    said = run_on(options, cases, programs)
    again = [case for case in cases if said.verdicts[case.label].startswith(("status", "signal", "late", "stopped"))]
    if again and not options.once:
        said.verdicts.update(run_on(options, again, programs).verdicts)
    assert said.kernel is not None
    today = datetime.date.today().isoformat()
    verdicts = {(said.kernel[0], label): (verdict, today) for label, verdict in said.verdicts.items()}
    for (kernel, label), (verdict, _) in sorted(verdicts.items()):
        if verdict != "ok":
            print(f"{kernel}\t{label}\t{verdict}")
    ok = sum(verdict == "ok" for verdict, _ in verdicts.values())
    print(f"{said.kernel[0]} ({said.kernel[1]}, {said.kernel[2]}): {ok} of {len(verdicts)} ok")
    if not options.dry:
        write_verdicts(read_verdicts() | verdicts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
