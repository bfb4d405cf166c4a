"""esbuild, which npm has for FreeBSD and for Linux, bundling one project."""

import harness
import pytest
from conftest import wall_nanoseconds

pytestmark = pytest.mark.programs

VERSION, MODULES = "0.25.5", 400


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project of modules that import each other in a chain of fours."""
    folder = tmp_path_factory.mktemp("project")
    for number in range(MODULES):
        imports = [f"import {{ f{n} }} from './m{n}.js';" for n in range(number + 1, min(number + 4, MODULES))]
        body = "\n".join(
            f"export function g{number}_{n}(value) {{ const list = [value, {n}]; return list.map((x) => x * {n + 1}); }}"
            for n in range(30)
        )
        calls = " + ".join([f"f{n}()" for n in range(number + 1, min(number + 4, MODULES))] or ["1"])
        used = "".join(f"g{number}_{n}(1); " for n in range(30))
        (folder / f"m{number}.js").write_text(
            "\n".join(
                [*imports, body, f"let once; export function f{number}() {{ {used}return (once ??= {calls}); }}\n"]
            )
        )
    (folder / "main.js").write_text("import { f0 } from './m0.js';\nconsole.log(f0());\n")
    return folder


def test_esbuild(side_by_side, engine, engine_command, project, tmp_path):
    guest = harness.npm_program(f"@esbuild/freebsd-x64@{VERSION}", "bin/esbuild")
    native = harness.npm_program(f"@esbuild/linux-x64@{VERSION}", "bin/esbuild")
    arguments = ["main.js", "--bundle", "--minify", "--log-level=error"]
    outputs = [tmp_path / "freebsd.js", tmp_path / "linux.js"]
    side_by_side(
        lambda: wall_nanoseconds([*engine_command(engine), str(guest), *arguments, f"--outfile={outputs[0]}"], cwd=project),
        lambda: wall_nanoseconds([str(native), *arguments, f"--outfile={outputs[1]}"], cwd=project),
        1, rounds=7, per="bundle", native_is="esbuild for Linux", engine=engine)  # fmt: skip
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
