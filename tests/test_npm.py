"""Real FreeBSD programs that npm carries as packages (static Go programs of other people's)."""

from __future__ import annotations

import harness

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
