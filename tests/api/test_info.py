"""`lsfctl info`: whose program a file is, where its libraries are, its syscall sites, and why it would not start."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path

import archives
import harness
import pytest

from lsf import info
from lsf.ctl import lsfctl
from lsf.info import elf, rtld
from lsf.roots import hints

TARGET = (
    "--target=x86_64-unknown-freebsd14",
    "-fuse-ld=lld",
    "-nostdlib",
    "-nostdlibinc",
    "-ffreestanding",
    "-O1",
    "-xc",
    "-",
    "-xnone",
)
NOTE = """
    __attribute__((section(".note.tag"), used, aligned(4))) static const struct { int a, b, c; char d[8]; int e; }
    tag = {8, 4, 1, "FreeBSD", %d};
"""


@pytest.fixture(scope="module")
def compile(tmp_path_factory):
    """`compile(place, source, *flags)` makes a FreeBSD program or library."""
    compiler = harness.clang()
    if compiler is None:
        harness.missing_tool("programs for lsfctl info", "clang and ld.lld are not installed")

    def build(place: Path, source: str, *flags: str, note: int = 1401000) -> Path:
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [compiler, *TARGET, *flags, "-o", str(place)]
        done = subprocess.run(
            command, input=(NOTE % note + source).encode(), capture_output=True, timeout=60, check=False
        )
        if done.returncode:
            pytest.fail(f"{command}\n{done.stderr[:2000].decode(errors='replace')}", pytrace=False)
        return place

    return build


@pytest.fixture(scope="module")
def world(compile, tmp_path_factory):
    """A root with libraries of every kind of place, and a program outside of it."""
    top = tmp_path_factory.mktemp("world")
    root = top / "root"

    def library(path: str, *flags: str, source: str = "", **keys) -> Path:
        name = Path(path).name
        return compile(
            root / path,
            source or f"int of_{name.split('.')[0]};",
            "-shared",
            "-fPIC",
            f"-Wl,-soname,{name}",
            *flags,
            **keys,
        )

    library("lib/libc.so.7", source="int write(void) { return 0; }")
    library("usr/lib/libstd.so.1")
    library("usr/local/lib/liblocal.so.2")
    library("compat/hinted/libhinted.so.1")
    library("usr/lib/libdeep.so.1", str(root / "compat/hinted/libhinted.so.1"))
    library("app/lib/liborigin.so.1", str(root / "usr/local/lib/liblocal.so.2"))
    library("lib/libssl.so.111")
    compile(root / "libexec/ld-elf.so.1", "void _start(void) {}", "-shared", "-fPIC")
    (root / "etc").mkdir()
    (root / "etc/ld-elf.so.conf").write_text("/compat/hinted\n")
    hints.write(str(root))
    libraries = [root / p for p in ("lib/libc.so.7", "usr/lib/libdeep.so.1", "app/lib/liborigin.so.1")]
    source = "int write(void); void _start(void) { write(); }"
    compile(root / "app/bin/prog", source, *map(str, libraries), "-pie", "-fPIE", "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--enable-new-dtags",
            "-Wl,--unresolved-symbols=ignore-all")  # fmt: skip
    return top


def found(libraries: list[rtld.Library]) -> dict[str, str]:
    return {library.name: library.path for library in libraries}


def test_a_dynamic_program_and_where_its_libraries_are(world):
    known = info.inspect("/app/bin/prog", str(world / "root"), sites=True)
    assert known.problem == "" and known.file == str(world / "root/app/bin/prog")
    assert (known.elf.brand, known.elf.recognised, known.elf.osreldate) == ("FreeBSD", "note", 1401000)
    assert (known.elf.linkage, known.elf.interpreter) == ("dynamic PIE", "/libexec/ld-elf.so.1")
    assert found(known.libraries) == {
        "libc.so.7": "/lib/libc.so.7",
        "libdeep.so.1": "/usr/lib/libdeep.so.1",
        "liborigin.so.1": "/app/lib/liborigin.so.1",
        "libhinted.so.1": "/compat/hinted/libhinted.so.1",
        "liblocal.so.2": "/usr/local/lib/liblocal.so.2",
    }
    assert [(item.name, item.needed_by) for item in known.libraries][3] == ("libhinted.so.1", "/usr/lib/libdeep.so.1")
    assert [item["name"] for item in info._syscalls(known)] == ["write"]


def test_the_order_of_the_search(compile, tmp_path, monkeypatch):
    """RPATH, LD_LIBRARY_PATH, RUNPATH, hints, the standard folders; and what -z nodefaultlib leaves."""
    root = tmp_path / "root"
    for place in ("r", "env", "h", "usr/lib"):
        compile(root / place / "libx.so.1", "int x;", "-shared", "-fPIC", "-Wl,-soname,libx.so.1")
    (root / "etc").mkdir()
    (root / "etc/ld-elf.so.conf").write_text("/h\n")
    compile(root / "libexec/ld-elf.so.1", "void _start(void) {}", "-shared", "-fPIC")
    source, needs = "extern int x; int _start(void) { return x; }", str(root / "r/libx.so.1")
    compile(root / "rpath", source, needs, "-Wl,-rpath,/r", "-Wl,--disable-new-dtags")
    compile(root / "runpath", source, needs, "-Wl,-rpath,/r", "-Wl,--enable-new-dtags")
    compile(root / "plain", source, needs)
    compile(root / "nodef", source, needs, "-Wl,-z,nodefaultlib")

    # What a library of the program needs is looked for in the program's RPATH too, unless it has a RUNPATH of its own.
    compile(root / "r/liby.so.1", "int y;", "-shared", "-fPIC", "-Wl,-soname,liby.so.1")
    for name, flags in (("libwith.so.1", ["-Wl,-rpath,/nowhere", "-Wl,--enable-new-dtags"]), ("libsans.so.1", [])):
        compile(root / "usr/lib" / name, "extern int y; int *z = &y;", "-shared", "-fPIC", f"-Wl,-soname,{name}",
                str(root / "r/liby.so.1"), *flags)  # fmt: skip
        compile(root / f"main-{name}", "void _start(void) {}", str(root / "usr/lib" / name), "-Wl,--no-as-needed",
                "-Wl,-rpath,/r", "-Wl,--disable-new-dtags")  # fmt: skip
    assert found(info.inspect("/main-libsans.so.1", str(root)).libraries)["liby.so.1"] == "/r/liby.so.1"
    assert found(info.inspect("/main-libwith.so.1", str(root)).libraries)["liby.so.1"] == ""

    def where(program: str, library_path: str = "") -> str:
        known = info.inspect(f"/{program}", str(root), library_path=library_path)
        return known.libraries[0].path

    assert where("rpath", "/env") == where("rpath") == where("runpath") == "/r/libx.so.1"
    assert where("runpath", "/none:/env") == where("plain", "/env") == "/env/libx.so.1"
    assert where("plain") == "/usr/lib/libx.so.1", "the hints are not there yet"
    assert where("nodef") == ""
    hints.write(str(root))
    assert where("nodef") == "/h/libx.so.1"
    assert where("plain") == "/usr/lib/libx.so.1", "ldconfig lists the standard folders first"
    (root / "usr/lib/libx.so.1").unlink()
    assert where("plain") == "/h/libx.so.1"
    (root / "etc/libmap.conf").write_text(
        "# comment\nincludedir /x\nlibx.so.1 /env/libx.so.1\n[rpath]\nlibx.so.1 nothing\n"
    )
    assert where("plain") == where("rpath") == "/env/libx.so.1"


def test_a_program_outside_the_root_finds_its_own_libraries(world, compile, tmp_path, monkeypatch):
    """What a cross-compiler made lies in the host's tree; the merged view shows both, --isolated only the root."""
    own = compile(tmp_path / "target/debug/libown.so", "int own;", "-shared", "-fPIC", "-Wl,-soname,libown.so")
    program = compile(tmp_path / "target/debug/test", "extern int own; int _start(void) { return own; }", str(own),
                      str(world / "root/lib/libc.so.7"), "-Wl,--no-as-needed", "-Wl,-rpath,${ORIGIN}")  # fmt: skip
    known = info.inspect(str(program), str(world / "root"))
    assert found(known.libraries)["libown.so"] == str(own) and known.problem == ""
    monkeypatch.chdir(program.parent)
    assert info.inspect("./test", str(world / "root")).libraries[0].path == str(own)
    assert "is not there" in info.inspect(str(program), str(world / "root"), isolated=True).problem


def test_the_views_rules_hold(compile, tmp_path):
    """What docs/user/views.md gives to the host is not looked for in the root, and the other way round."""
    root = tmp_path / "root"
    for place in ("opt", "lib64", "dev"):
        compile(root / place / "libx.so.1", "int x;", "-shared", "-fPIC", "-Wl,-soname,libx.so.1")
    merged, isolated = rtld.View(str(root)), rtld.View(str(root), isolated=True)
    assert merged.find("/opt/libx.so.1") == "" and isolated.find("/opt/libx.so.1") == str(root / "opt/libx.so.1")
    assert merged.find("/lib64/libx.so.1") == isolated.find("/lib64/libx.so.1") == str(root / "lib64/libx.so.1")
    assert merged.find("/dev/libx.so.1") == isolated.find("/dev/libx.so.1") == ""
    assert merged.find("/dev/null") == isolated.find("/dev/null") == "/dev/null"
    assert merged.find(str(root / "opt/libx.so.1")) and not isolated.find(str(root / "opt/libx.so.1"))
    assert rtld.View().find("/bin") == os.path.realpath("/bin")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nothing", ["/nothing is not there in the root"]),
        ("/app", ["is a folder"]),
        ("/dangling", ["symbolic link to what is not there"]),
        ("/text", ["neither an ELF program nor a script"]),
        ("/empty", ["is empty"]),
        ("/pipe", ["not a regular file"]),
        ("/aarch64", ["for aarch64", "amd64 (x86-64) only"]),
        ("/i386", ["32-bit (i386) FreeBSD program"]),
        ("/linux", ["is a Linux program (its note says so): run it without lsf"]),
        ("/musl", ["is a Linux program (its interpreter"]),
        ("/netbsd", ["program for NetBSD"]),
        ("/unbranded", ["does not say that it is FreeBSD's", "brandelf"]),
        ("/cut", ["cut off"]),
        ("/lib/libc.so.7", ["is a shared library"]),
        ("/not-executable", ["no permission"]),
        ("/script-bad", ["script for /usr/bin/perl", "does not have"]),
        ("/script-none", ["names no interpreter"]),
        ("/script-deep", ["its interpreter will not start", "/i386 is a 32-bit"]),
        ("/other-linker", ["dynamic linker /libexec/ld-other.so.1", "does not have"]),
        (
            "/missing",
            ["needs the library libnowhere.so.3, which the root", "does not have in /lib:/usr/lib", "package"],
        ),
        ("/deep-missing", ["needs the library libnowhere.so.3 (for /usr/lib/libneeds.so.1)"]),
        ("/other-version", ["libssl.so.30", "it has libssl.so.111", "program is for FreeBSD 14.1", "install 14`"]),
        ("/bad-library", ["libtext.so.1", "/lib/libtext.so.1 cannot be it: it is not an ELF file"]),
        ("/versioned", ["needs NEW_2.0 of /lib/libver.so.1", "which does not have it"]),
    ],
)
def test_what_a_failed_start_should_say(hostile, name, words):
    sentence = info.explain(name, str(hostile))
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.fixture(scope="module")
def hostile(world, compile, tmp_path_factory):
    """A copy of the world's root with programs that do not start."""
    scratch = tmp_path_factory.mktemp("scratch")
    root = harness.copy_root(world / "root", tmp_path_factory.mktemp("hostile") / "root")
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin/freebsd-version").write_bytes(archives.VERSION_SCRIPT % b"13.5-RELEASE")

    def file(name: str, data: bytes) -> None:
        (root / name).write_bytes(data)
        (root / name).chmod(0o755)

    (root / "dangling").symlink_to("/no/where")
    os.mkfifo(root / "pipe")
    for name, data in {
        "text": b"hello\n", "empty": b"", "aarch64": archives.elf(machine=183), "i386": archives.elf(machine=3, bits=32),
        "linux": archives.elf(owner=b"GNU\0", osrelease=0, osabi=0), "netbsd": archives.elf(owner=b"NetBSD\0\0", osabi=0),
        "musl": archives.elf(owner=b"", osabi=0, interp=b"/lib/ld-musl-x86_64.so.1\0"),
        "unbranded": archives.elf(owner=b"", osabi=0), "cut": archives.elf(code=b"x" * 9000)[:4000],
        "script-bad": b"#!/usr/bin/perl -w\n", "script-none": b"#!\n", "script-deep": b"#! /i386 x\n",
        "other-linker": archives.elf(interp=b"/libexec/ld-other.so.1\0"), "lib/libtext.so.1": b"text",
    }.items():  # fmt: skip
        file(name, data)
    (root / "not-executable").write_bytes(archives.elf())
    (root / "not-executable").chmod(0o644)

    def needing(name: str, library: str, *flags: str) -> Path:
        made = compile(scratch / name / library, "int v;", "-shared", "-fPIC", f"-Wl,-soname,{library}")
        return compile(root / name, "extern int v; int _start(void) { return v; }", str(made), *flags)

    needing("missing", "libnowhere.so.3")
    needing("usr/lib/libneeds.so.1", "libnowhere.so.3", "-shared", "-fPIC", "-Wl,-soname,libneeds.so.1")
    compile(root / "deep-missing", "void _start(void) {}", str(root / "usr/lib/libneeds.so.1"), "-Wl,--unresolved-symbols=ignore-all",
            "-Wl,--no-as-needed")  # fmt: skip
    needing("other-version", "libssl.so.30")
    needing("bad-library", "libtext.so.1")
    for place, version in ((root / "lib", "OLD_1.0"), (scratch, "NEW_2.0")):
        (scratch / "map").write_text(
            "OLD_1.0 { global: old; };\n" + (f"{version} {{ global: v; }};\n" if version != "OLD_1.0" else "")
        )
        compile(place / "libver.so.1", "int v, old;", "-shared", "-fPIC", "-Wl,-soname,libver.so.1",
                f"-Wl,--version-script={scratch}/map")  # fmt: skip
    compile(root / "versioned", "extern int v; int _start(void) { return v; }", str(scratch / "libver.so.1"))
    return root


def test_without_a_root(world, tmp_path, monkeypatch):
    monkeypatch.setenv("LSF_ROOTS", str(tmp_path / "store"))
    program = str(world / "root/app/bin/prog")
    assert "needs FreeBSD's dynamic linker" in info.explain(program) and "lsfctl root install" in info.explain(program)
    (tmp_path / "store/x/root").mkdir(parents=True)
    (tmp_path / "store/x/root.conf").write_text("release=14.1-RELEASE\n")
    assert "lsfctl root list" in info.explain(program)
    (tmp_path / "static").write_bytes(archives.elf())
    (tmp_path / "static").chmod(0o755)
    assert info.explain(str(tmp_path / "static")) == ""
    assert "not there" in info.explain("no-such-program-anywhere")


@pytest.mark.parametrize(
    ("image", "brand", "by"),
    [
        (archives.elf(osabi=0), "FreeBSD", "note"),
        (archives.elf(osabi=3), "FreeBSD", "note"),
        (archives.elf(owner=b""), "FreeBSD", "OSABI"),
        (archives.elf(owner=b"GNU\0", osrelease=0), "FreeBSD", "OSABI"),
        (
            archives.elf(owner=b"", osabi=0)[:8] + b"FreeBSD\0" + archives.elf(owner=b"", osabi=0)[16:],
            "FreeBSD",
            "brand string",
        ),
        (archives.elf(owner=b"", osabi=0, interp=b"/libexec/ld-elf.so.1\0"), "FreeBSD", "interpreter"),
        (archives.elf(owner=b"GNU\0", osrelease=0, osabi=0, interp=b"/libexec/ld-elf.so.1\0"), "Linux", "note"),
        (archives.elf(owner=b"", osabi=3), "Linux", "OSABI"),
        (archives.elf(owner=b"", osabi=0), "", ""),
    ],
)
def test_brands_are_found_in_freebsds_order(tmp_path, image, brand, by):
    (tmp_path / "x").write_bytes(image)
    known = elf.read(str(tmp_path / "x"))
    assert (known.brand, known.recognised) == (brand, by)
    assert known.osreldate == (1401000 if by == "note" and brand == "FreeBSD" else 0)


def test_syscall_sites():
    number = struct.pack("<I", 4)
    text = (b"\x90\x48\xc7\xc0" + number + b"\x49\x89\xca\x0f\x05" + b"\xb8" + struct.pack("<I", 20) + b"\x49\x89\xca\x0f\x05"
            + b"\xb8" + number + b"\x0f\x05" + b"\x48\x8b\x44\x24\x08\x0f\x05" + b"\xc3\x0f\x05\xb8\xff\xff\xff\x7f\x0f\x05")  # fmt: skip
    sites = elf.Sites()
    sites.scan(text)
    assert sites.patterns == {"libc": 1, "libc-short": 1, "go": 1, "go-generic": 1, "other": 2}
    assert sites.numbers == {4: 2, 20: 1}
    sites.scan(b"")
    assert sum(sites.patterns.values()) == 6


def test_go_programs():
    builds = sorted((harness.CACHE / "build").glob("*")) if (harness.CACHE / "build").is_dir() else []
    programs = [path for path in builds if path.is_file() and b"Go build ID" in path.open("rb").read(8192)]
    if not programs:
        harness.not_covered("lsfctl info of a Go program", "none is built yet")
    program = programs[0]
    known = info.inspect(str(program), sites=True)
    assert known.elf.brand == "FreeBSD" and known.elf.linkage == "static" and not known.problem
    assert known.elf.sites.patterns["go"] > 10 and known.elf.sites.patterns["go-generic"] >= 1
    assert {"write", "mmap", "thr_new"} <= {item["name"] for item in info._syscalls(known)}


def test_broken_files_are_never_a_traceback(tmp_path):
    """Each byte of the headers changed, and each length cut."""
    image = archives.elf(interp=b"/libexec/ld-elf.so.1\0", code=b"\x0f\x05" * 8)
    place = tmp_path / "x"
    variants = [image[:length] for length in range(0, len(image), 7)]
    for at in range(len(image) - 40):
        for value in (0xFF, image[at] ^ 0x80):
            variants.append(image[:at] + bytes([value]) + image[at + 1 :])
    for data in variants:
        place.write_bytes(data)
        place.chmod(0o755)
        sentence = info.explain(str(place))
        assert "could not be examined" not in sentence, (sentence, data)


def test_output_for_people_and_programs(world, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LSF_ROOTS", str(tmp_path))
    root = str(world / "root")
    assert lsfctl.main(["info", "--root", root, "/app/bin/prog"]) == 0
    out = capsys.readouterr().out
    for words in ("FreeBSD, by its note", "FreeBSD 14.1 (1401000)", "dynamic PIE", "runpath      $ORIGIN/../lib",
                  "libhinted.so.1  /compat/hinted/libhinted.so.1  for /usr/lib/libdeep.so.1", "Nothing is seen"):  # fmt: skip
        assert words in out, out
    assert lsfctl.main(["info", "--json", "--root", root, "/app/bin/prog"]) == 0
    item = json.loads(capsys.readouterr().out)
    assert item["starts"] and item["brand"] == "FreeBSD" and item["recognised_by"] == "note"
    assert item["libraries"][0].keys() == {"name", "path", "needed_by", "problem", "searched"}
    assert item["syscalls"][0].keys() == {"name", "number", "sites", "state", "imported"}
    monkeypatch.setenv("LSF_ROOT", root)
    assert lsfctl.main(["info", "/nosuch"]) == 1
    assert "It will not start: /nosuch is not there" in capsys.readouterr().out
    assert lsfctl.main(["info", "--root", "", "/bin/sh"]) == 1
    assert "is a Linux program" in capsys.readouterr().out
    assert lsfctl.main(["info", "--root", "nosuch", "/bin/sh"]) == 125
    assert "neither a FreeBSD root" in capsys.readouterr().err


def test_real_programs(capsys):
    """Each library of FreeBSD's own programs is found; rtld itself, asked by LD_TRACE_LOADED_OBJECTS, agrees."""
    covered = 0
    for root in harness.roots():
        for name in ("bin/sh", "bin/busybox", "usr/bin/ssh", "usr/bin/top", "usr/sbin/tcpdump", "bin/csh"):
            if not (root / name).is_file() or not (root / "libexec/ld-elf.so.1").exists():
                continue
            known = info.inspect("/" + name, str(root), isolated=True)
            assert known.problem == "" and known.libraries, name
            covered += 1
    if not covered:
        harness.not_covered("lsfctl info of real programs", "no root in LSF_TEST_ROOTS")


def test_rtld_agrees(tmp_path):
    """FreeBSD's dynamic linker says the same of where the libraries are (as ldd asks it)."""
    root = harness.root_with("libexec/ld-elf.so.1", "lib/libc.so.7", "bin/sh", covers="rtld's own search")
    program = next(name for name in ("/usr/bin/ssh", "/bin/sh") if (root / name.lstrip("/")).exists())
    result = harness.Runner("sud", tmp_path)(program, root=root, cwd="/", env={"LD_TRACE_LOADED_OBJECTS": "1"})
    lines = [line.split() for line in result.check(stderr=None).stdout.splitlines() if "=>" in line]
    said = {words[0]: words[2] for words in lines}
    assert said and said == found(info.inspect(program, str(root), isolated=True).libraries)
