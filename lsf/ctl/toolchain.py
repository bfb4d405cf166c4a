"""`lsfctl toolchain`: the files and variables that tell a build system how to build for FreeBSD and run what it built.

Every kind comes from one `Target`: a FreeBSD root that is the compiler's sysroot and the programs' root alike. The compilers
are two small scripts, `freebsd-cc` and `freebsd-c++`, in which target, sysroot and linker are said once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable

from lsf import roots
from lsf.roots import RootError

FAILED = 125
TRIPLE = "x86_64-unknown-freebsd"
#: What a sysroot must have for C programs to be compiled and linked.
SYSROOT = ("usr/include/stdio.h", "usr/lib/crt1.o", "lib/libc.so.7")
STDLIB = "-stdlib=libc++"  # FreeBSD's; Debian's clang takes GNU's for every target
VERSIONS = range(30, 13, -1)  # of clang and lld, as Debian names them: clang-19, ld.lld-19


def find_tool(name: str, fallback: str = "") -> str:
    """The name of an LLVM tool in PATH: plain, or the newest with a version. Raises RootError where there is none."""
    for candidate in (name, *(f"{name}-{version}" for version in VERSIONS)):
        if shutil.which(candidate):
            return candidate
    if fallback and shutil.which(fallback):
        return fallback
    raise RootError(f"there is no {name} in PATH; install it (Debian: apt install clang lld)")


def lsf_command() -> str:
    """What starts `lsf`: its plain name where PATH has it, else the file beside this command."""
    if shutil.which("lsf"):
        return "lsf"
    return os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "lsf")


@dataclasses.dataclass
class Target:
    """What is built for: a root with headers and libraries, and the tools that are here."""

    root: str
    release: str  # "14.3", "" where nothing tells it
    folder: str  # where the files are, or will be
    lsf: str = "lsf"
    clang: str = "clang"
    lld: str = "ld.lld"
    ar: str = "llvm-ar"
    strip: str = "llvm-strip"

    @property
    def triple(self) -> str:
        return TRIPLE + self.release

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    @property
    def run(self) -> list[str]:
        """The words before a program of the target."""
        return [self.lsf, "--root", self.root]


@dataclasses.dataclass
class Files:
    """What a kind consists of: files by name, variables to export, and how to use them."""

    files: dict[str, str] = dataclasses.field(default_factory=dict)
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    use: str = ""


def release_of(root: str) -> str:
    """The release of a sysroot, as 14.3: by the root itself, else by its headers; "" where neither tells it."""
    number = re.match(r"\d+\.\d+", roots.release_of(root))
    if number:
        return number[0]
    try:
        with open(f"{root}/usr/include/sys/param.h", encoding="latin-1") as file:
            found = re.search(r"^#define\s+__FreeBSD_version\s+(\d{6,7})", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return f"{int(found[1]) // 100000}.{int(found[1]) // 1000 % 100}" if found else ""


def target_of(name: str, folder: str, compiles: bool = True) -> Target:
    """The target of a root by name or path. Raises RootError where it is no sysroot or a tool is missing.

    compiles: whether the root's headers and clang are needed.
    """
    root = roots.resolve(name)
    target = Target(root, release_of(root), os.path.abspath(folder), lsf_command())
    if compiles:
        lacks = [file for file in SYSROOT if not os.path.exists(f"{root}/{file}")]
        if lacks:
            raise RootError(f"{root} is no sysroot: it lacks {', '.join(lacks)}")
        target.clang, target.lld = find_tool("clang"), find_tool("ld.lld")
        target.ar, target.strip = find_tool("llvm-ar", "ar"), find_tool("llvm-strip", "strip")
    return target


# ---------------------------------------------------------------- quoting


def _meson(text: str) -> str:
    """A string of a cross file, in which Meson takes a backslash as it stands: there is no way to write a quote."""
    if "'" in text:
        raise RootError(f"Meson's cross files cannot have a quote in a name: {text}")
    return f"'{text}'"


def _cmake(text: str) -> str:
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


#: A basic string of TOML, and one of JSON, which is alike for what a path may have.
_toml = json.dumps


# ---------------------------------------------------------------- the compilers


def compilers(target: Target) -> dict[str, str]:
    """The scripts that compile and link for the target, for build systems that take one command as a compiler."""
    texts = {}
    for name, tool, more in (
        ("freebsd-cc", target.clang, []),
        ("freebsd-c++", target.clang.replace("clang", "clang++"), [STDLIB]),
    ):
        words = [tool, f"--target={target.triple}", f"--sysroot={target.root}", f"-fuse-ld={_linker(target)}", *more,
                 "-Wno-unused-command-line-argument"]  # fmt: skip
        texts[name] = f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
    return texts


def _linker(target: Target) -> str:
    """clang's name for the linker: lld where it is called so, else the file."""
    return "lld" if target.lld == "ld.lld" else str(shutil.which(target.lld))


# ---------------------------------------------------------------- the build systems


def cargo(target: Target) -> Files:
    underscored = TRIPLE.replace("-", "_")
    cc, cxx = target.path("freebsd-cc"), target.path("freebsd-c++")
    variables = {
        f"CARGO_TARGET_{underscored.upper()}_LINKER": cc,
        f"CARGO_TARGET_{underscored.upper()}_RUNNER": " ".join(target.run),
        f"CC_{underscored}": cc,
        f"CXX_{underscored}": cxx,
        f"AR_{underscored}": target.ar,
        "PKG_CONFIG_SYSROOT_DIR_" + underscored: target.root,
        "PKG_CONFIG_LIBDIR_" + underscored: _pkg_config(target),
    }
    if target.release:  # maturin names wheels by it; without, by the build machine's kernel
        variables["MATURIN_FREEBSD_VERSION"] = f"{target.release}-RELEASE"
    runner = ", ".join(map(_toml, target.run))
    config = f"[target.{TRIPLE}]\nlinker = {_toml(cc)}\nrunner = [{runner}]\n\n[env]\n"
    config += "".join(
        f"{name} = {_toml(value)}\n" for name, value in variables.items() if not name.startswith("CARGO_")
    )
    return Files({**compilers(target), "cargo.toml": config}, variables,
                 f"cargo test --target {TRIPLE}   (cargo.toml: the same as a file, for cargo --config)")  # fmt: skip


def _pkg_config(target: Target) -> str:
    return ":".join(f"{target.root}/usr/{place}/pkgconfig" for place in ("libdata", "local/libdata", "local/lib"))


def cmake(target: Target) -> Files:
    emulator = ";".join(word.replace(";", "\\;") for word in target.run)
    lines = [
        "set(CMAKE_SYSTEM_NAME FreeBSD)",
        "set(CMAKE_SYSTEM_PROCESSOR x86_64)",
        *([f"set(CMAKE_SYSTEM_VERSION {target.release})"] if target.release else []),
        f"set(CMAKE_SYSROOT {_cmake(target.root)})",
        f"set(CMAKE_C_COMPILER {target.clang})",
        f"set(CMAKE_CXX_COMPILER {target.clang.replace('clang', 'clang++')})",
        *(f"set(CMAKE_{language}_COMPILER_TARGET {target.triple})" for language in ("C", "CXX", "ASM")),
        f"set(CMAKE_CXX_FLAGS_INIT {STDLIB})",
        *(f"set(CMAKE_{kind}_LINKER_FLAGS_INIT {_cmake('-fuse-ld=' + _linker(target))})"
          for kind in ("EXE", "SHARED", "MODULE")),
        *(f"set(CMAKE_FIND_ROOT_PATH_MODE_{kind} {mode})"
          for kind, mode in (("PROGRAM", "NEVER"), ("LIBRARY", "ONLY"), ("INCLUDE", "ONLY"), ("PACKAGE", "ONLY"))),
        f"set(CMAKE_CROSSCOMPILING_EMULATOR {_cmake(emulator)})",
    ]  # fmt: skip
    name = "freebsd.cmake"
    return Files(
        {name: "\n".join(lines) + "\n"},
        {},
        f"cmake -B build --toolchain {shlex.quote(target.path(name))} && cmake --build build && ctest --test-dir build",
    )


def meson(target: Target) -> Files:
    def words(*parts: str) -> str:
        return "[" + ", ".join(map(_meson, parts)) + "]"

    where = (f"--target={target.triple}", f"--sysroot={target.root}")
    link = f"-fuse-ld={_linker(target)}"
    text = f"""\
[binaries]
c = {words(target.clang, *where)}
cpp = {words(target.clang.replace("clang", "clang++"), *where)}
ar = {_meson(target.ar)}
strip = {_meson(target.strip)}
exe_wrapper = {words(*target.run)}

[built-in options]
c_link_args = {words(link)}
cpp_args = {words(STDLIB)}
cpp_link_args = {words(link, STDLIB)}

[properties]
sys_root = {_meson(target.root)}
pkg_config_libdir = {words(*_pkg_config(target).split(":"))}

[host_machine]
system = 'freebsd'
cpu_family = 'x86_64'
cpu = 'x86_64'
endian = 'little'
"""
    name = "freebsd.ini"
    return Files(
        {name: text}, {}, f"meson setup build --cross-file {shlex.quote(target.path(name))} && meson test -C build"
    )


def autotools(target: Target) -> Files:
    variables = {
        "CC": target.path("freebsd-cc"),
        "CXX": target.path("freebsd-c++"),
        "AR": target.ar,
        "STRIP": target.strip,
        "PKG_CONFIG_SYSROOT_DIR": target.root,
        "PKG_CONFIG_LIBDIR": _pkg_config(target),
        "LOG_COMPILER": shlex.join(target.run),
    }
    return Files(compilers(target), variables, f"./configure --host={target.triple} && make check")


def go(target: Target) -> Files:
    variables = {
        "GOOS": "freebsd",
        "GOARCH": "amd64",
        "CGO_ENABLED": "1",
        "CC": target.path("freebsd-cc"),
        "CXX": target.path("freebsd-c++"),
        "LSF_ROOT": target.root,
    }
    return Files(
        compilers(target),
        variables,
        "go test ./...   (go finds go_freebsd_amd64_exec in PATH; without cgo no root is needed)",
    )


def conan(target: Target) -> Files:
    """A host profile of Conan 2, which hands the other build systems their files."""
    profile = f"""\
[settings]
os=FreeBSD
arch=x86_64
build_type=Release
compiler=clang
compiler.version={clang_version(target.clang)}
compiler.libcxx=libc++
compiler.cppstd=gnu17

[conf]
tools.build:compiler_executables={json.dumps({"c": target.path("freebsd-cc"), "cpp": target.path("freebsd-c++")})}
tools.cmake.cmaketoolchain:user_toolchain={json.dumps([target.path("freebsd.cmake")])}
tools.meson.mesontoolchain:extra_machine_files={json.dumps([target.path("freebsd.ini")])}
"""
    files = {**compilers(target), **cmake(target).files, **meson(target).files, "freebsd.profile": profile}
    use = f"conan create . --profile:build default --profile:host {shlex.quote(target.path('freebsd.profile'))}"
    return Files(files, {}, use)


def clang_version(clang: str) -> str:
    """The major version of a clang."""
    done = subprocess.run([clang, "--version"], capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"version (\d+)", done.stdout)
    if not found:
        raise RootError(f"{clang} --version tells no version")
    return found[1]


def zig(target: Target) -> Files:
    words = [word for part in target.run for word in ("--test-cmd", part)]
    # Zig has FreeBSD's libc from 14 on; its default is the oldest that it has.
    system = f"freebsd.{target.release}" if int(target.release.partition(".")[0] or 0) >= 14 else "freebsd"
    return Files({}, {}, f"zig test -target x86_64-{system} {shlex.join([*words, '--test-cmd-bin'])} FILE.zig")


KINDS: dict[str, Callable[[Target], Files]] = {
    "autotools": autotools,
    "cargo": cargo,
    "cmake": cmake,
    "conan": conan,
    "go": go,
    "meson": meson,
    "zig": zig,
}
#: The kinds that have compiler, headers and libraries of their own.
BRING_THEIR_OWN = {"zig"}


# ---------------------------------------------------------------- the command


def write(made: Files, folder: str) -> None:
    """Write the files, each whole or not at all; what was there under their names is replaced."""
    os.makedirs(folder, exist_ok=True)
    for name, text in made.files.items():
        path = os.path.join(folder, name)
        beside = f"{path}.{os.getpid()}"
        try:
            with open(beside, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
            os.chmod(beside, 0o755 if text.startswith("#!") else 0o644)
            os.replace(beside, path)
        except BaseException:
            if os.path.lexists(beside):
                os.unlink(beside)
            raise


def exports(made: Files) -> str:
    """The variables as a shell takes them, and the use as its comment."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in made.variables.items()]
    return "\n".join([*lines, f"# {made.use}"]) + "\n"


def run(arguments: argparse.Namespace) -> int:
    """The command: 0, or 125 with one sentence."""
    try:
        target = target_of(roots.meant(arguments.root), arguments.write or ".", arguments.kind not in BRING_THEIR_OWN)
        made = KINDS[arguments.kind](target)
        if arguments.write:
            write(made, arguments.write)
        else:
            for name, text in made.files.items():
                print(f"# ---- {name}\n{text}")
        print(exports(made), end="")
        return 0
    except RootError as error:
        print(f"lsfctl: {error}", file=sys.stderr)
    except OSError as error:
        if not error.filename:
            raise  # standard output: main's part
        print(f"lsfctl: {error.filename}: {error.strerror}", file=sys.stderr)
    return FAILED


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `toolchain` to lsfctl's commands."""
    parser = commands.add_parser(
        "toolchain",
        help="tell a build system how to build for FreeBSD and to run its tests",
        description="Prints, or writes, the files and variables that a build system needs to build for FreeBSD with clang and"
        ' lld and to run what it built. With --write, `eval "$(lsfctl toolchain KIND --write DIR)"` sets the variables.',
    )
    parser.add_argument("kind", choices=sorted(KINDS), help="the build system")
    parser.add_argument(
        "--root",
        metavar="NAME|DIR",
        default="",
        help="the root that is the sysroot (default: LSF_ROOT, else the default root)",
    )
    parser.add_argument(
        "--write", metavar="DIR", default="", help="write the files there, and print the variables only"
    )
    parser.set_defaults(command=run)
