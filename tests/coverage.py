"""What the guests reach of the shim.

    $ python tests/coverage.py [--write]

Builds an image that notes each branch that it takes (runtime.c, LSF_COVERAGE), runs every guest on it by the engine `sud`, and prints for
each folder the share of lines that were reached, and the handlers that no guest calls. --write: into docs/developer/coverage.md. Lines are
those of the .pxi files at which a branch begins, as the compiler's line table has them.
"""

from __future__ import annotations

import bisect
import re
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import harness  # noqa: E402
import pytest  # noqa: E402
from elftools.elf.elffile import ELFFile  # noqa: E402

from lsf._build import check_image, generate, shim  # noqa: E402

PACKAGE = TESTS.parent / "lsf"
PAGE = TESTS.parent / "docs/developer/coverage.md"
TRACE = "__sanitizer_cov_trace_pc"


def build(work: Path) -> Path:
    """The image, and beside it the one with symbols and lines."""
    generate.generate(PACKAGE / "generated")
    unit = shim.translate(PACKAGE / "_shim.pyx", work / "_shim.c", PACKAGE.parent, lines=True)
    flags = (
        "-g1",
        "-fsanitize-coverage=trace-pc",
        f'-DLSF_COVERAGE="{work / "notes"}"',
        "-Wno-error=frame-larger-than=",
    )
    shim.build(unit, PACKAGE / "generated", work / "shim.elf", work / "objects", more=flags)
    (work / "notes").write_bytes(bytes(check_image.WINDOW_SIZE))
    return work / "shim.elf"


def run_guests(image: Path) -> list[str]:
    """Run all of them; those that failed."""

    class Noting(harness.Runner):
        @staticmethod
        def image() -> Path:
            return image

    def run(one: tuple[Path, str]) -> str | None:
        path, case = one
        with tempfile.TemporaryDirectory() as folder:
            try:
                result = Noting("sud", Path(folder))(harness.compile_guest(path), case, timeout=120)
            except pytest.fail.Exception:  # no end
                return f"{path.stem}.{case}"
        return None if result.returncode == 0 else f"{path.stem}.{case}"

    cases = [(path, case) for path in harness.guests() for case in harness.guest_cases(path)]
    with ThreadPoolExecutor(2) as pool:
        return [failed for failed in pool.map(run, cases) if failed]


def trace_points(image: Path) -> tuple[list[int], list[tuple[int, str, int]], dict[str, tuple[int, int]]]:
    """Where the calls of the tracer return to; (address, file, line), in order; each function's start and end."""
    with open(image.with_suffix(".debug"), "rb") as stream:
        elf = ELFFile(stream)
        text = elf.get_section_by_name(".text")
        data, base = text.data(), text["sh_addr"]
        symbols = [s for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_info"]["type"] == "STT_FUNC"]
        functions = {s.name: (s["st_value"], s["st_value"] + s["st_size"]) for s in symbols}
        target = functions[TRACE][0]
        points = []
        for match in re.finditer(b"\xe8(?=(....))", data, re.S):
            back = base + match.start() + 5
            if back + int.from_bytes(match.group(1), "little", signed=True) == target:
                points.append(back)
        lines: list[tuple[int, str, int]] = []
        for unit in elf.get_dwarf_info().iter_CUs():
            program = elf.get_dwarf_info().line_program_for_CU(unit)
            version = program["version"]
            for step in program.get_entries():
                state = step.state
                if state is not None and not state.end_sequence:
                    entry = program["file_entry"][state.file - (0 if version >= 5 else 1)]
                    folder = program["include_directory"][entry.dir_index - (0 if version >= 5 else 1)].decode()
                    lines.append((state.address, f"{folder}/{entry.name.decode()}".rpartition("lsf/")[2], state.line))
    return points, sorted(lines), functions


def report(image: Path) -> str:
    """The page."""
    notes = image.with_name("notes").read_bytes()
    points, lines, functions = trace_points(image)
    addresses = [address for address, _, _ in lines]
    seen: dict[tuple[str, int], bool] = {}
    for point in points:
        _, file, line = lines[bisect.bisect_right(addresses, point - 1) - 1]
        if file.endswith(".pxi"):
            where = (file, line)
            seen[where] = seen.get(where, False) or bool(notes[point - check_image.WINDOW_BASE])
    by_file: dict[str, list[bool]] = defaultdict(list)
    for (file, _), reached in seen.items():
        by_file[file].append(reached)
    by_folder: dict[str, dict[str, list[bool]]] = defaultdict(dict)
    for file, hits in by_file.items():
        by_folder[str(Path(file).parent)][Path(file).name] = hits
    handlers = {name: span for name, span in functions.items() if name.startswith("sys_")}
    never = sorted(
        name for name, (start, end) in handlers.items()
        if (own := [p for p in points if start < p <= end]) and not any(notes[p - check_image.WINDOW_BASE] for p in own)
    )  # fmt: skip
    total = [hit for hits in by_file.values() for hit in hits]
    out = [
        "# What the guests reach", "",
        "<!-- Made by `python tests/coverage.py --write`. -->", "",
        f"Of {len(total)} lines of the shim at which a branch begins, the programs of tests/guests reach {sum(total)} "
        f"({100 * sum(total) / len(total):.0f} %) by the engine `sud`. What the roots' programs, Go's tests and the tests of views, truss and "
        "tracing reach is not counted.", "",
        "| folder | lines | reached | the least reached file |", "|---|---|---|---|",
    ]  # fmt: skip
    for folder, files in sorted(by_folder.items()):
        hits = [hit for one in files.values() for hit in one]
        least = min(files, key=lambda name: sum(files[name]) / len(files[name]))
        share = 100 * sum(files[least]) / len(files[least])
        out.append(f"| `{folder}` | {len(hits)} | {100 * sum(hits) / len(hits):.0f} % | {least}, {share:.0f} % |")
    out += [
        "",
        f"Handlers that no guest calls ({len(never)} of {len(handlers)}): " + ", ".join(f"`{n}`" for n in never) + ".",
        "",
    ]
    return "\n".join(out)


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="lsf-coverage-") as folder:
        image = build(Path(folder))
        failed = run_guests(image)
        page = report(image)
    if failed:
        print("These failed on this image:", *failed, file=sys.stderr)
    if arguments == ["--write"]:
        PAGE.write_text(page)
    else:
        print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
