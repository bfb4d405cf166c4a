"""What tests/realkernel.py makes of guests' sources and of a console, its file of verdicts, and the file system that it writes."""

from __future__ import annotations

import argparse
import re
import struct
import sys
from pathlib import Path

import conformance
import pytest
import realkernel
import ufs

SOURCE = """\
/* A comment. */
TEST(plain)
{
}

/* judge: own, LSF's
 * own matter */
TEST(mine)
{
}

/* judge: user */
TEST(ordinary)
{
}

HELPER(helper)
{
}
"""


def test_a_source_says_how_it_is_judged():
    assert realkernel.cases_of("g", SOURCE) == [
        realkernel.Case("g", "plain"),
        realkernel.Case("g", "mine", "own", "LSF's own matter"),
        realkernel.Case("g", "ordinary", uid=1001),
    ]


@pytest.mark.parametrize("text", ["own", "nonsense, why", "policy"])
def test_what_a_source_says_is_checked(text):
    with pytest.raises(ValueError, match=r"g\.x"):
        realkernel.cases_of("g", f"/* judge: {text} */\nTEST(x)\n")


def test_every_guest_can_be_judged():
    cases = realkernel.all_cases()
    assert len({case.label for case in cases}) == len(cases) > 900
    assert all(case.why for case in cases if case.word)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("g.a exit 0 12\tok g.a\t", "ok"),
        ("g.a exit 0 12\tok g.b\t", "status 0"),
        ("g.a exit 0 12\tskip g: no IPv6 here\t", "skip: no IPv6 here"),
        ("g.a exit 0 12\telsewhere g: on another release\t", "elsewhere"),
        ("g.a exit 1 7\t\t/a/b/g.c:12: CHECK(x)|", "status 1; g.c:12: CHECK(x)"),
        ("g.a signal 11 7\t\t", "signal 11"),
        ("g.a late 0 60000\thalf\twords", "late; words"),
    ],
)
def test_ends_of_cases(line, verdict):
    assert realkernel.parse_end(line) == ("g.a", verdict)


@pytest.mark.parametrize(
    "line", ["", "g.a", "g.a exit 0 12", "g.a exit 0 12\tok", "g.a perhaps 0 1\t\t", "g.a exit 0 1 2\t\t"]
)
def test_half_lines_are_none(line):
    assert realkernel.parse_end(line) is None


def test_a_console():
    said = realkernel.Said()
    for line in (
        "FreeBSD 15.0-RELEASE", "@kernel 15.0-RELEASE 1500068 GENERIC\r", "@start g.a", "lo0: link state changed to UP",
        "@end g.a exit 0 1\tok g.a\t\r", "@start g.b", "panic: page fault",
    ):  # fmt: skip
        said.line(line)
    assert said.kernel == ("15.0-RELEASE", 1500068, "GENERIC")
    assert said.verdicts == {"g.a": "ok"}
    assert said.running == "g.b"
    assert not said.done


class Machine:
    """Stands for a machine: what each of its starts says."""

    starts: list[list[str]]

    @classmethod
    def of(cls, _options, _disk):
        return cls()

    def console(self, _silence):
        yield from self.starts.pop(0)


def test_a_machine_that_stops_is_started_again(monkeypatch, tmp_path):
    kernel = "@kernel 15.0-RELEASE 1500068 GENERIC"
    Machine.starts = [
        [kernel, "@start g.a", "@end g.a exit 0 1\tok g.a\t", "@start g.b", "panic"],
        [kernel, "@start g.c", "@end g.c signal 6 1\t\t", "@done"],
    ]
    monkeypatch.setattr(realkernel, "Machine", Machine)
    monkeypatch.setattr(realkernel, "make_disk", lambda *_: tmp_path / "disk")
    options = argparse.Namespace(seconds=1, scratch=None, verbose=True)
    said = realkernel.run_on(options, [realkernel.Case("g", name) for name in "abc"], {})
    assert said.verdicts == {"g.a": "ok", "g.b": "stopped", "g.c": "signal 6"}


#: Stands for qemu: a machine that asks who is there, and then for a command.
LOGIN = """
import sys
print("FreeBSD/amd64 (freebsd) (ttyu0)", flush=True)
print("\\nlogin: ", end="", flush=True)
who = sys.stdin.readline().strip()
print(f"{who}\\r\\nWelcome to FreeBSD!\\r\\nroot@freebsd:~ # ", end="", flush=True)
print(f"\\r\\n@start {who}.{sys.stdin.readline().strip()}\\r", flush=True)
sys.stdin.readline()
"""


def test_a_machine_is_logged_in_to():
    said = realkernel.Said()
    for line in realkernel.Machine([sys.executable, "-c", LOGIN], ["root", "chroot"]).console(20):
        said.line(line)
        if said.running:
            break
    assert said.running == "root.chroot"


def test_a_silent_machine_is_given_up():
    machine = realkernel.Machine([sys.executable, "-c", "print('BTX loader', flush=True); input()"], [])
    assert list(machine.console(0.5)) == ["BTX loader"]


def test_verdicts_are_kept(tmp_path):
    path = tmp_path / "verdicts.tsv"
    assert realkernel.read_verdicts(path) == {}
    verdicts = {("15.0-RELEASE", "g.b"): ("late", "2026-01-02"), ("12.1-STABLE", "g.b"): ("ok", "2026-01-03")}
    realkernel.write_verdicts(verdicts, path)
    assert realkernel.read_verdicts(path) == verdicts
    assert path.read_text().splitlines()[1].startswith("12.1")
    assert realkernel.confirmed(verdicts) == {"g.b"}
    assert realkernel.said_of("g.b", verdicts) == "15.0-RELEASE: late (2026-01-02); 12.1-STABLE: ok (2026-01-03)"
    assert realkernel.said_of("g.c", verdicts) == "no kernel was asked"


def test_the_verdicts_that_are_here():
    """They are of cases that are there, and most of what a kernel can judge is confirmed."""
    verdicts = realkernel.read_verdicts()
    cases = {case.label: case for case in realkernel.all_cases()}
    for (kernel, label), (verdict, date) in verdicts.items():
        assert re.fullmatch(r"\d+\.\d+-\w+(-p\d+)?", kernel)
        assert label in cases, f"{label} is gone: take its line from {realkernel.VERDICTS.name}"
        assert verdict and re.fullmatch(r"20\d\d-\d\d-\d\d", date)
    judged = {label for label, case in cases.items() if not case.word}
    assert len(judged & realkernel.confirmed(verdicts)) >= 0.8 * len(judged)


def test_the_report_names_what_is_not_confirmed():
    cases = [realkernel.Case("g", "a"), realkernel.Case("g", "b"), realkernel.Case("g", "c", "policy", "because")]
    text = "".join(conformance.kernels(cases, {("15.0-RELEASE", "g.a"): ("ok", "2026-01-02")}))
    assert "| 15.0-RELEASE | 2026-01-02 | 1 | 1 |" in text
    assert "confirms 1 (50.0 %)" in text
    assert "| g.b | no kernel was asked |" in text
    assert "| g.c | because |" in text


def make(tmp_path: Path, files: dict[str, bytes], mebibytes: int = 16) -> bytes:
    root = tmp_path / "root"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    image = tmp_path / "image"
    ufs.make(image, root, mebibytes)
    return image.read_bytes()


def field(image: bytes, name: str) -> int:
    offset, form = ufs.FIELDS[name]
    return struct.unpack_from(f"<{form}", image, ufs.SUPERBLOCK_AT + offset)[0]


def inode(image: bytes, number: int) -> tuple[int, bytes]:
    """Its mode and contents, as a reader of the file system finds them."""
    at = ufs.INODE_TABLE * ufs.FRAGMENT + number * ufs.INODE
    mode = struct.unpack_from("<H", image, at)[0]
    size = struct.unpack_from("<Q", image, at + 16)[0]
    blocks = list(struct.unpack_from("<12q", image, at + 112))
    indirect = struct.unpack_from("<q", image, at + 208)[0]
    if indirect:
        blocks += struct.unpack_from(f"<{ufs.BLOCK // 8}q", image, indirect * ufs.FRAGMENT)
    data = b"".join(image[block * ufs.FRAGMENT : block * ufs.FRAGMENT + ufs.BLOCK] for block in blocks if block)
    return mode, data[:size]


def entries(image: bytes, number: int) -> dict[str, int]:
    mode, data = inode(image, number)
    assert mode & 0o170000 == ufs.MODE_DIRECTORY
    found, at = {}, 0
    while at < len(data):
        child, length, _, size = struct.unpack_from("<IHBB", data, at)
        found[data[at + 8 : at + 8 + size].decode()] = child
        assert at // 512 == (at + length - 1) // 512
        at += length
    return found


def test_a_file_system_has_what_it_was_given(tmp_path):
    many = {f"many/file-{i:03}": str(i).encode() for i in range(100)}
    large = bytes(range(256)) * 2000
    image = make(tmp_path, {"large": large, "empty": b"", **many})
    assert field(image, "magic") == ufs.SUPERBLOCK_MAGIC
    root = entries(image, ufs.ROOT)
    assert set(root) == {".", "..", "large", "empty", "many"}
    assert inode(image, root["large"])[1] == large
    assert inode(image, root["empty"])[1] == b""
    below = entries(image, root["many"])
    assert below[".."] == ufs.ROOT
    assert inode(image, below["file-042"])[1] == b"42"
    assert field(image, "ndir") == 2
    used = field(image, "size") - field(image, "nbfree") * ufs.PER_BLOCK - field(image, "nffree")
    assert used >= ufs.DATA + len(large) // ufs.FRAGMENT + 100


def test_the_maps_say_what_the_counts_say(tmp_path):
    image = make(tmp_path, {"a": b"x" * 5000, "b": b"y"})
    group = image[ufs.GROUP * ufs.FRAGMENT :][: ufs.BLOCK]
    assert struct.unpack_from("<i", group, 4)[0] == ufs.GROUP_MAGIC
    inodes, free = struct.unpack_from("<II", group, 92)
    taken = sum(bin(byte).count("1") for byte in group[inodes : inodes + ufs.INODES // 8])
    assert taken == ufs.INODES - field(image, "nifree")
    fragments = sum(bin(byte).count("1") for byte in group[free : free + field(image, "size") // 8])
    assert fragments == field(image, "nbfree") * ufs.PER_BLOCK + field(image, "nffree")


def test_too_much_is_refused(tmp_path):
    with pytest.raises(ValueError, match="too small"):
        make(tmp_path, {"large": bytes(20 << 20)})
    with pytest.raises(ValueError, match="no room"):
        ufs.make(tmp_path / "image", tmp_path / "root", 4096)


def test_what_is_judged_is_a_kernel_s_other_answer():
    verdicts = realkernel.read_verdicts()
    judged = realkernel.read_judged()
    assert [key for key in judged if verdicts.get(key, ("ok", ""))[0] == "ok"] == []
    assert [key for key, (kind, why) in judged.items() if kind not in realkernel.KINDS or not why] == []
    assert list(judged) == sorted(judged)
