"""`lsfctl toolchain`: every build system that is here builds for FreeBSD with what it wrote, and runs the tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest
from test_runners import SECTIONS, TOP, commands, need, shell, sysroot  # noqa: F401  # fixtures

from lsf.ctl import toolchain

PROGRAM = """\
#include <stdio.h>
#include <sys/utsname.h>
int main(void) { struct utsname u; uname(&u); puts(u.sysname); return 0; }
"""
PLUS = """\
#include <iostream>
#include <stdexcept>
int main() { try { throw std::runtime_error("thrown"); } catch (const std::exception &e) { std::cout << e.what() << "\\n"; } }
"""
SCRIPTS = {
    "cmake": (("cmake", "ctest", "clang", "ld.lld"), """
cat > CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.20)
project(greet C CXX)
include(CheckCSourceRuns)
check_c_source_runs("int main(void) { return 0; }" RUNS_AT_CONFIGURATION_TIME)
add_executable(greet greet.c)
add_executable(plus plus.cc)
find_library(UTIL util REQUIRED)
enable_testing()
add_test(NAME greets COMMAND greet)
add_test(NAME adds COMMAND plus)
END
cmake -B build --toolchain "$FILES/freebsd.cmake"
cmake --build build
ctest --test-dir build -V
grep UTIL build/CMakeCache.txt
""", ("RUNS_AT_CONFIGURATION_TIME - Success", "FreeBSD", "thrown", "100% tests passed", "/usr/lib/libutil.so")),
    "meson": (("meson", "ninja", "clang", "ld.lld"), """
cat > meson.build <<END
project('greet', 'c', 'cpp')
test('greets', executable('greet', 'greet.c'))
test('adds', executable('plus', 'plus.cc'))
if meson.get_compiler('c').run('int main(void) { return 7; }').returncode() != 7
  error('a program does not run at configuration time')
endif
END
meson setup build --cross-file "$FILES/freebsd.ini"
meson test -C build -v
""", ("FreeBSD", "thrown", "Ok:                 2", "Fail:               0")),
    "autotools": (("autoreconf", "automake", "make", "clang", "ld.lld"), """
cat > configure.ac <<END
AC_INIT([greet], [1])
AM_INIT_AUTOMAKE([foreign])
AC_PROG_CC
AC_PROG_CXX
AC_CHECK_FUNCS([kqueue epoll_create])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
END
cat > Makefile.am <<END
check_PROGRAMS = greet plus
plus_SOURCES = plus.cc
TESTS = greet plus
END
autoreconf -i
./configure --host=$(echo "$made" | grep -o 'x86_64-unknown-freebsd[0-9.]*' | tail -n 1)
make check VERBOSE=1
cat greet.log plus.log
""", ("checking for kqueue... yes", "checking for epoll_create... no", "FreeBSD", "thrown", "# PASS:  2", "# FAIL:  0")),
    "conan": (("conan", "cmake", "clang", "ld.lld"), """
export CONAN_HOME="$PWD/home"
cat > conanfile.py <<END
from conan import ConanFile
from conan.tools.cmake import CMake, cmake_layout


class Greet(ConanFile):
    name, version = "greet", "1.0"
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeToolchain"
    exports_sources = "CMakeLists.txt", "plus.cc"

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()
        cmake.ctest(["-V"])
END
cat > CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.20)
project(greet CXX)
add_executable(plus plus.cc)
enable_testing()
add_test(NAME adds COMMAND plus)
END
conan profile detect
conan create . --profile:build default --profile:host "$FILES/freebsd.profile"
""", ("os=FreeBSD", "thrown", "100% tests passed")),
    "go": (("go", "clang", "ld.lld"), """
rm -f plus.cc greet.c
cat > go.mod <<END
module example.org/greet
go 1.20
END
cat > greet.go <<END
package greet

// #include <sys/param.h>
// #include <unistd.h>
// static int release(void) { return __FreeBSD_version; }
import "C"

func release() int { return int(C.release()) }
END
cat > greet_test.go <<END
package greet

import ("runtime"; "testing")

func TestRelease(t *testing.T) {
	if release() < 1000000 || runtime.GOOS != "freebsd" { t.Fatal(release()) }
	t.Log("by cgo on", runtime.GOOS)
}
END
go test -v .
go test -c -o test.bin .
lsf --root "$LSF_ROOT" ./test.bin -test.v
""", ("by cgo on freebsd", "--- PASS: TestRelease", "ok  \texample.org/greet")),
}  # fmt: skip


@pytest.fixture
def project(shell, tmp_path):  # noqa: F811
    """`project(kind, script)` runs a script in a folder with two programs, after what README says of `lsfctl toolchain`."""
    folder = tmp_path / "project"
    (folder / "greet.c").write_text(PROGRAM)
    (folder / "plus.cc").write_text(PLUS)

    def run(
        kind: str, script: str, root: Path, files: str = "files", **environment: str
    ) -> subprocess.CompletedProcess:
        set_up = 'made="$(lsfctl toolchain "$KIND" --root "$FREEBSD" --write "$FILES")"; eval "$made"\n'
        variables = {
            "KIND": kind,
            "FILES": str(tmp_path / files),
            "FREEBSD": str(root),
            "CGO_CFLAGS": "-w",
            **environment,
        }
        return shell(set_up + script, **variables)

    return run


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_project(project, kind):
    tools, script, wanted = SCRIPTS[kind]
    need(*tools, what=f"lsfctl toolchain {kind}")
    done = project(kind, script, sysroot())
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert [line for line in wanted if line not in output] == [], output


def test_cargo(project):
    """The quick start with Cargo, without the variables that are written there by hand; then the same by the file."""
    need("cargo", "clang", "ld.lld", what="lsfctl toolchain cargo")
    block = SECTIONS["Cargo"].partition("```sh\n")[2].partition("```")[0]
    block = block[block.index("mkdir -p greet/src") :]
    free = "export RUSTC_BOOTSTRAP=1 CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_RUSTFLAGS='-Cpanic=abort -Clink-arg=-lc'\n"
    by_file = (
        "unset CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_RUNNER\nrm -rf target\n"
        'cargo run --offline --target x86_64-unknown-freebsd --config "$FILES/cargo.toml"\n'
    )
    done = project("cargo", free + block + by_file, sysroot())
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert done.stdout.count("runs on FreeBSD 1") == 3, output
    assert "Running tests/greets.rs" in done.stderr


def test_the_commands_of_readme(shell, tmp_path):  # noqa: F811
    """README's commands of CMake, as they stand, with the default root of a store."""
    need("cmake", "clang", "ld.lld", what="README's commands of CMake")
    typed = re.findall(r"^\$ (.*lsf-files.*)$", (TOP / "README.md").read_text(), re.MULTILINE)
    assert [command.split()[0] for command in typed] == ["lsfctl", "cmake"]
    (tmp_path / "store/mine").mkdir(parents=True)
    (tmp_path / "store/mine/root.conf").write_text("release=13.5-RELEASE\nosreldate=1305000\n")
    (tmp_path / "store/mine/root").symlink_to(sysroot())
    (tmp_path / "project/greet.c").write_text(PROGRAM)
    (tmp_path / "project/CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(greet C)\nadd_executable(greet greet.c)\n"
        "enable_testing()\nadd_test(NAME greets COMMAND greet)\n"
    )
    done = shell("\n".join(typed) + " -V", LSF_ROOTS=str(tmp_path / "store"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1: FreeBSD\n" in done.stdout


def test_which_root(toolchain_command, bare_sysroot, tmp_path, monkeypatch):
    """--root, else LSF_ROOT as for `lsf`, else the default root, which LSF_ROOT=none does not make another."""
    (tmp_path / "store/mine").mkdir(parents=True)
    (tmp_path / "store/mine/root.conf").write_text("release=13.5-RELEASE\nosreldate=1305000\n")
    (tmp_path / "store/mine/root").symlink_to(bare_sysroot)
    monkeypatch.setenv("LSF_ROOTS", str(tmp_path / "store"))
    other = tmp_path / "other"
    other.symlink_to(bare_sysroot)

    def sysroot_of(*arguments: object) -> str:
        status, out, err = toolchain_command("cmake", *arguments)
        assert status == 0, err
        assert "&& cmake --build build && ctest" in out
        return re.findall(r'CMAKE_SYSROOT "(.*)"', out)[0]

    default = str(tmp_path / "store/mine/root")
    assert sysroot_of() == default
    monkeypatch.setenv("LSF_ROOT", str(other))
    assert sysroot_of() == str(other)
    assert sysroot_of("--root", "mine") == default
    monkeypatch.setenv("LSF_ROOT", "none")
    assert sysroot_of() == default


LIBRARY = """\
/// ```
/// assert_eq!(greet::sum(2, 3), 5);
/// ```
pub fn sum(a: i32, b: i32) -> i32 { a + b }

#[cfg(test)]
mod tests {
    #[test]
    fn threads() {
        let all: Vec<_> = (0..4).map(|i| std::thread::spawn(move || i * 2)).collect();
        assert_eq!(all.into_iter().map(|one| one.join().unwrap()).sum::<i32>(), 12);
    }

    #[test]
    #[should_panic(expected = "caught")]
    fn unwinds() { panic!("caught") }

    #[test]
    fn system() { assert_eq!(std::env::consts::OS, "freebsd") }
}
"""


def rust_with_sources() -> tuple[Path, Path] | None:
    """A rustc whose standard library's sources are here with all that they depend on (Debian: rustc-web, rust-web-src)."""
    for rustc in dict.fromkeys(filter(None, (shutil.which("rustc"), shutil.which("/usr/bin/rustc")))):
        done = subprocess.run([rustc, "--print", "sysroot"], capture_output=True, text=True, check=False)
        vendor = Path(done.stdout.strip()) / "lib/rustlib/src/rust/library/vendor"
        if done.returncode == 0 and vendor.is_dir() and (Path(rustc).parent / "cargo").exists():
            return Path(rustc).parent, vendor.resolve()
    return None


def test_rust_with_its_standard_library(project):
    """Unit tests with threads and unwinding, and documentation tests. The library is built once (a minute) and kept."""
    need("clang", "ld.lld", what="Rust's standard library")
    found = rust_with_sources()
    if not found:
        harness.not_covered(
            "Rust's standard library", "its sources are not here (Debian: apt install cargo-web rust-web-src)"
        )
    tools, vendor = found
    script = f"""
mkdir -p src .cargo
printf '[package]\\nname = "greet"\\nversion = "0.1.0"\\nedition = "2021"\\n' > Cargo.toml
printf '[source.crates-io]\\nreplace-with = "here"\\n[source.here]\\ndirectory = "%s"\\n' '{vendor}' > .cargo/config.toml
cat > src/lib.rs <<'END'
{LIBRARY}END
{tools}/cargo test --offline -Zbuild-std=std,panic_unwind,test --target x86_64-unknown-freebsd
"""
    done = project("cargo", script, sysroot(), RUSTC=str(tools / "rustc"), RUSTDOC=str(tools / "rustdoc"), RUSTC_BOOTSTRAP="1",
                   CARGO_TARGET_DIR=str(harness.CACHE / "rust-std"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"test result: ok. (\d) passed", done.stdout) == ["3", "1"], done.stdout


def test_zig(project):
    zig = f"{sys.executable} -m ziglang"
    if subprocess.run([*zig.split(), "version"], capture_output=True, check=False).returncode:
        harness.missing_tool("lsfctl toolchain zig", "zig is not installed: pip install ziglang")
    script = f"""
cat > greet.zig <<END
const builtin = @import("builtin");
const std = @import("std");
test "greets" {{ try std.testing.expect(builtin.os.tag == .freebsd); std.debug.print("by zig\\n", .{{}}); }}
END
use="$(echo "$made" | sed -n 's/^# zig //p')"
eval "{zig} ${{use%FILE.zig}} greet.zig"
"""
    libcs = [root / "lib/libc.so.7" for root in harness.roots()]
    new = [libc for libc in libcs if libc.exists() and b"\0__libc_start1\0" in libc.read_bytes()]
    if not new:
        harness.not_covered("lsfctl toolchain zig", "no root of FreeBSD 14 or later in LSF_TEST_ROOTS")
    root = new[0].parent.parent
    done = project("zig", script, root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by zig" in done.stderr


def test_names_that_need_quoting(project, tmp_path):
    """A root and a folder with what shells, CMake and Meson treat as their own."""
    need("cmake", "meson", "ninja", "clang", "ld.lld", what="lsfctl toolchain with wild names")
    wild = tmp_path / "a 'root' $NO_SUCH \"x\""
    wild.symlink_to(sysroot())
    script = """
"$FILES/freebsd-cc" greet.c -o greet
lsf --root "$FREEBSD" ./greet
"""
    done = project("autotools", script, wild, "a 'folder' $NO_SUCH")
    assert (done.returncode, done.stdout) == (0, "FreeBSD\n"), done.stderr
    done = project("meson", "", wild)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "cannot have a quote" in done.stderr
    plain = tmp_path / 'a root $NO_SUCH "x"'
    plain.symlink_to(sysroot())
    for kind, root in (("cmake", wild), ("meson", plain)):
        script = SCRIPTS[kind][1]
        done = project(kind, "rm -rf build\n" + script, root, "a 'folder' $NO_SUCH")
        assert done.returncode == 0, kind + done.stdout + done.stderr
        assert "thrown" in done.stdout


# ---------------------------------------------------------------- the command


@pytest.fixture
def toolchain_command(capsys):
    from lsf.ctl import lsfctl

    def command(*arguments: object) -> tuple[int, str, str]:
        status = lsfctl.main(["toolchain", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture
def bare_sysroot(tmp_path) -> Path:
    root = tmp_path / "bare"
    for name in toolchain.SYSROOT:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "bin").mkdir()
    (root / "bin/freebsd-version").write_text('USERLAND_VERSION="14.3-RELEASE-p2"\n')
    return root


def test_printed(toolchain_command, bare_sysroot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for kind in toolchain.KINDS:
        status, out, err = toolchain_command(kind, "--root", bare_sysroot)
        assert (status, err) == (0, ""), kind
        assert str(bare_sysroot) in out
    assert "--target=x86_64-unknown-freebsd14.3" in toolchain_command("autotools", "--root", bare_sysroot)[1]
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written without --write"


def test_written_over(toolchain_command, bare_sysroot, tmp_path):
    for _ in range(2):
        status, out, err = toolchain_command("cargo", "--root", bare_sysroot, "--write", tmp_path / "new/files")
        assert (status, err) == (0, "")
    assert sorted(os.listdir(tmp_path / "new/files")) == ["cargo.toml", "freebsd-c++", "freebsd-cc"]
    assert re.match(r"export CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER=\S*/new/files/freebsd-cc\n", out)
    assert "export MATURIN_FREEBSD_VERSION=14.3-RELEASE\n" in out, "maturin would name a wheel by Linux's kernel"


def test_one_sentence(toolchain_command, bare_sysroot, tmp_path, monkeypatch):
    def fails(*arguments: object) -> str:
        status, out, err = toolchain_command(*arguments)
        assert (status, out, err.count("\n")) == (125, "", 1), err
        return err

    (tmp_path / "file").touch()
    assert "is no sysroot: it lacks usr/include/stdio.h" in fails("cmake", "--root", tmp_path)
    assert "No such file" in fails("cmake", "--root", "./nowhere")
    assert "file" in fails("cmake", "--root", bare_sysroot, "--write", tmp_path / "file")
    assert "/proc/x" in fails("cmake", "--root", bare_sysroot, "--write", "/proc/x")
    monkeypatch.setenv("LSF_ROOTS", str(tmp_path / "none"))
    assert "lsfctl root install" in fails("cmake")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no clang in PATH" in fails("cmake", "--root", bare_sysroot)
    with pytest.raises(SystemExit):
        toolchain_command("scons")


def test_versioned_tools(bare_sysroot, tmp_path, monkeypatch):
    """Debian's clang-16 alone, without the plain names."""
    for name in ("clang-15", "clang-16", "ld.lld-16", "ar", "strip"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = toolchain.target_of(str(bare_sysroot), str(tmp_path))
    assert (target.clang, target.lld, target.ar) == ("clang-16", "ld.lld-16", "ar")
    assert f"-fuse-ld={tmp_path}/ld.lld-16" in toolchain.compilers(target)["freebsd-cc"]
    assert "exec clang++-16 " in toolchain.compilers(target)["freebsd-c++"]
