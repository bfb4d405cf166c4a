"""Real FreeBSD programs that npm carries as packages: other people's static Go programs, and dynamic Rust programs."""

from __future__ import annotations

import json
import re

import harness
import pytest

ESBUILD = ("@esbuild/freebsd-x64@0.25.5", "bin/esbuild")
LEFTHOOK = ("lefthook-freebsd-x64@1.11.13", "bin/lefthook")


def test_esbuild_version(lsf):
    program = harness.npm_program(*ESBUILD)
    lsf(program, "--version").check("0.25.5\n")


def test_esbuild_bundles(lsf):
    program = harness.npm_program(*ESBUILD)
    (lsf.cwd / "main.js").write_text("import { greet } from './greet.js';\nconsole.log(greet('FreeBSD'));\n")
    (lsf.cwd / "greet.js").write_text(
        "export function greet(name) { return `hello, ${name}`; }\nexport function unused() { return 'gone'; }\n"
    )
    result = lsf(program, "main.js", "--bundle", "--minify", "--outfile=out.js", timeout=60)
    result.check(stderr=None)
    bundle = (lsf.cwd / "out.js").read_text()
    assert "hello, " in bundle
    assert "FreeBSD" in bundle
    assert "import" not in bundle
    assert "gone" not in bundle
    # An error is reported with its place, and as the exit status.
    (lsf.cwd / "bad.js").write_text("import './missing.js';\n")
    result = lsf(program, "bad.js", "--bundle", timeout=60).check(status=1, stderr=None)
    assert 'Could not resolve "./missing.js"' in result.stderr


def test_lefthook_version(lsf):
    program = harness.npm_program(*LEFTHOOK)
    result = lsf(program, "version").check()
    assert result.stdout.startswith("1.11.13")


# ---- dynamic programs, written in Rust: the libraries are those of a root, the files the host's

LIGHTNINGCSS = ("lightningcss-cli-freebsd-x64@1.33.0", "lightningcss")
PAGEFIND = ("@pagefind/freebsd-x64@1.6.0", "bin/pagefind_extended")


@pytest.fixture
def libraries():
    """The options that show a root's libraries to a program of the host's."""
    # What is linked on FreeBSD 13.3 and later begins with __libc_start1.
    for root in harness.roots():
        needed = [root / "lib" / name for name in ("libc.so.7", "libthr.so.3", "libgcc_s.so.1")]
        if all(file.is_file() for file in needed) and b"__libc_start1" in needed[0].read_bytes():
            return ["--root", str(root)]
    harness.not_covered(
        "dynamic programs of npm", "no root of FreeBSD 13.3 or later with libthr and libgcc_s in LSF_TEST_ROOTS"
    )
    raise AssertionError("not reached")


@pytest.mark.engines("sud-cli", "ptrace")
def test_lightningcss(lsf, libraries):
    program = harness.npm_program(*LIGHTNINGCSS)
    lsf(program, "--version", options=libraries).check("lightningcss 1.0.0-alpha.72\n")
    (lsf.cwd / "in.css").write_text(".a { color: #ff0000; .b & { margin: 0px } }\n.c { display: flex }\n")
    lsf(program, "--minify", "in.css", "-o", "out.css", options=libraries).check("")
    assert (lsf.cwd / "out.css").read_text() == ".a{color:red;.b &{margin:0}}.c{display:flex}"
    result = lsf(program, "missing.css", options=libraries)
    assert result.returncode != 0
    assert "No such file" in result.stderr


@pytest.mark.engines("sud-cli", "ptrace")
def test_pagefind(lsf, libraries):
    program = harness.npm_program(*PAGEFIND)
    site = lsf.cwd / "site"
    for number in range(20):
        page = site / f"page{number}" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<html><body><h1>Page {number}</h1><p>searchable words here</p></body></html>")
    result = lsf(program, "--site", "site", options=libraries, timeout=120).check(stderr=None)
    assert re.search(r"Indexed 20 pages\n", result.stdout), result.explain()
    assert (site / "pagefind/pagefind.js").stat().st_size > 1000
    assert json.loads((site / "pagefind/pagefind-entry.json").read_text())["languages"]["unknown"]["page_count"] == 20
