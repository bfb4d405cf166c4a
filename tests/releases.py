"""Which constants of FreeBSD's headers changed their value from one release to another.

    $ python tests/releases.py          # prints them, with the value of each release

The headers: a root of FreeBSD 13 in LSF_TEST_ROOTS; those of 14 in the ziglang that is installed; those of 15 in another
ziglang, of whose wheel the headers alone are kept in LSF_TEST_CACHE. clang is asked for the values; nothing runs.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import harness

#: ziglang 0.17 has the headers of FreeBSD 15 and drops those of 14. It is not installed beside 0.15: its headers are fetched.
ZIGLANG_15 = "ziglang==0.17.1"
INCLUDE = "ziglang/lib/libc/include"
FOLDERS = ("x86_64-freebsd-none", "generic-freebsd")

#: What the other headers want included before them.
FIRST = (
    "sys/param.h sys/types.h sys/time.h sys/queue.h sys/socket.h netinet/in.h stdint.h sys/ioccom.h net/if.h".split()
)
DEFINES = "".join(f"#define _WANT_{name}\n" for name in "SOCKET INPCB TCPCB UNPCB UCRED FILE FREEBSD_BITSET".split())
PATTERNS = "*.h sys/*.h machine/*.h net/*.h netinet/*.h netinet6/*.h netlink/*.h netlink/route/*.h".split()


def fetch_15(folder: Path) -> str | None:
    """Put the headers of FreeBSD 15 into a folder; what went wrong, or None."""
    with tempfile.TemporaryDirectory() as there:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            there,
            ZIGLANG_15,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        wheels = list(Path(there).glob("*.whl"))
        if done.returncode or not wheels:
            return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip download failed"
        with zipfile.ZipFile(wheels[0]) as wheel, tempfile.TemporaryDirectory(dir=folder.parent) as half:
            names = [name for name in wheel.namelist() if name.startswith(tuple(f"{INCLUDE}/{f}/" for f in FOLDERS))]
            wheel.extractall(half, names)
            if not folder.exists():
                (Path(half) / INCLUDE).rename(folder)
    return None


@functools.cache
def folders() -> tuple[dict[int, list[Path]], list[str]]:
    """The header folders of each release that is at hand, and what is missing."""
    found, missing = {}, []
    for root in harness.roots():
        header = root / "usr/include/sys/param.h"
        if header.exists() and re.search(r"define __FreeBSD_version 13\d{5}", header.read_text()):
            found[13] = [root / "usr/include"]
    if 13 not in found:
        missing.append("13: no root in LSF_TEST_ROOTS has its headers")
    headers = harness.freebsd_headers()
    if headers is None:
        missing.append("14: ziglang is not installed")
    else:
        found[14] = list(headers)
    newest = harness.CACHE / "headers-15"
    with harness.locked(harness.CACHE):
        trouble = None if newest.exists() else fetch_15(newest)
    if trouble is None:
        found[15] = [newest / name for name in FOLDERS]
    else:
        missing.append(f"15: {trouble}")
    return found, missing


class Headers:
    """The headers of one release, as one unit of C."""

    def __init__(self, include: list[Path], names: list[str]):
        self.command = [
            shutil.which("clang"),
            "--target=x86_64-unknown-freebsd14",
            "-nostdlibinc",
            "-w",
            "-O1",
            "-x",
            "c",
            "-",
        ]
        self.command[3:3] = [flag for folder in include for flag in ("-isystem", str(folder))]
        self.names = names

    def source(self) -> str:
        return DEFINES + "".join(f"#include <{name}>\n" for name in self.names)

    def run(self, *options: str, more: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            [*self.command, *options],
            input=self.source() + more,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def drop_those_that_do_not_compile(self) -> None:
        """Headers of the kernel's inside, and the few that exclude others."""
        while (done := self.run("-fsyntax-only", "-ferror-limit=0")).returncode:
            lines = {int(n) for n in re.findall(r"(?:from |^)<stdin>:(\d+):", done.stderr, re.MULTILINE)}
            bad = {number - DEFINES.count("\n") - 1 for number in lines}
            kept = [name for index, name in enumerate(self.names) if index not in bad or name in FIRST]
            assert len(kept) < len(self.names), done.stderr
            self.names = kept

    def constants(self) -> set[str]:
        """Names that may be constants: macros without arguments, and enumerators."""
        names = set(re.findall(r"^#define (\w+) +\S", self.run("-E", "-dM").stdout, re.MULTILINE))
        text = self.run("-E", "-P").stdout
        for body in re.findall(r"\benum\b[^{};()]*\{([^}]*)\}", text):
            names |= {part.split("=")[0].strip() for part in body.split(",") if re.match(r"\s*\w+\s*(=|$)", part)}
        return names

    def values(self) -> dict[str, int]:
        """The value of every constant that is an integer."""
        self.drop_those_that_do_not_compile()
        names = sorted(self.constants())
        first = self.source().count("\n")
        tries = "".join(f"enum {{ lsf_v{i} = (long long)({name}) == 0 }};\n" for i, name in enumerate(names))
        errors = self.run("-fsyntax-only", "-ferror-limit=0", more=tries).stderr
        bad = {int(n) - first - 1 for n in re.findall(r"^<stdin>:(\d+):\d+: error", errors, re.MULTILINE)}
        good = [name for i, name in enumerate(names) if i not in bad]
        table = "const long long lsf_values[] = {" + ",".join(f"(long long)({name})" for name in good) + "};\n"
        done = self.run("-S", "-o", "-", more=table)
        assert done.returncode == 0, done.stderr
        numbers: list[int] = []
        for line in done.stdout.partition("lsf_values:")[2].splitlines():
            if match := re.match(r"\s*\.quad\s+(-?\d+)", line):
                numbers.append(int(match[1]))
            elif match := re.match(r"\s*\.zero\s+(\d+)", line):
                numbers += [0] * (int(match[1]) // 8)
            elif line.strip().startswith(".size"):
                break
        assert len(numbers) == len(good)
        return dict(zip(good, numbers, strict=True))


@functools.cache
def values() -> dict[int, dict[str, int]]:
    """Release -> name -> value, of the headers that all of the releases at hand have."""
    found, _ = folders()
    if not found:
        return {}
    files = {
        release: {
            str(path.relative_to(folder)) for folder in include for pattern in PATTERNS for path in folder.glob(pattern)
        }
        for release, include in found.items()
    }
    common = set.intersection(*files.values()) - set(FIRST)
    return {release: Headers(include, FIRST + sorted(common)).values() for release, include in found.items()}


def changed(known: dict[int, dict[str, int]]) -> dict[str, dict[int, int]]:
    """Name -> release -> value, of the constants whose value is not the same in all releases that have them."""
    result = {}
    for name in sorted(set().union(*known.values())):
        numbers = {release: known[release][name] for release in known if name in known[release]}
        if len({number & 0xFFFFFFFFFFFFFFFF for number in numbers.values()}) > 1:
            result[name] = numbers
    return result


def main() -> None:
    _, missing = folders()
    for line in missing:
        print("without", line, file=sys.stderr)
    for name, numbers in changed(values()).items():
        print(f"{name:32}", *(f"{release}: {number:#x}" for release, number in numbers.items()))


if __name__ == "__main__":
    main()
