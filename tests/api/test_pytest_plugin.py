"""pytest's plugin (lsf/api/pytest_plugin.py), used by small test suites in a pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points

import harness
import pytest

PROGRAM = "from lsf.demo import PROGRAM\nimport pytest, subprocess\n"


@pytest.fixture
def suite(tmp_path):
    """`suite(text, *arguments, **environment)` runs pytest on a file: its status and output."""
    loaded = any(point.value == "lsf.api.pytest_plugin" for point in entry_points(group="pytest11"))

    def run(text: str, *arguments: str, **environment: str) -> tuple[int, str]:
        (tmp_path / "test_it.py").write_text(PROGRAM + textwrap.dedent(text))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LSF_", "PYTEST"))}
        env |= {"PYTHONPATH": str(harness.PACKAGE_PARENT), "LSF_ROOTS": str(tmp_path / "store"), **environment}
        plugin = [] if loaded else ["-p", "lsf.api.pytest_plugin"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "-q", "-rs", "--strict-markers", *arguments],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_it_runs_programs(suite):
    status, output = suite("""
        def test_output(lsf):
            done = lsf(PROGRAM, "time", "10")
            assert done.stdout.strip().isdigit() and done.returncode == 0

        def test_a_failure_is_one(lsf):
            with pytest.raises(subprocess.CalledProcessError) as caught:
                lsf("/no/such/program")
            assert caught.value.returncode == 127 and "not found" in caught.value.stderr
            assert lsf("/no/such/program", check=False).returncode == 127

        def test_streams_of_ones_own(lsf):
            assert lsf(PROGRAM, "time", "10", stdout=subprocess.DEVNULL).stdout is None

        def test_it_starts_them(lsf):
            with lsf.start(PROGRAM, "time", "2000000000") as process:
                process.kill()
            assert process.returncode == -9
    """)
    assert status == 0 and "4 passed" in output, output


def test_the_markers_options(suite):
    status, output = suite("""
        pytestmark = pytest.mark.lsf(truss=True, engine="ptrace")

        @pytest.mark.lsf(engine="sud")
        def test_the_nearest_wins(lsf):
            assert "getppid()" in lsf(PROGRAM, "time", "1").stderr

        def test_a_call_wins(lsf):
            assert lsf(PROGRAM, "time", "1", truss=False, engine="sud").stderr == ""

        @pytest.mark.lsf("sud")
        def test_wrong_use(lsf):
            pass
    """)
    assert status == 1 and re.search("2 passed, 1 error", output) and "by name" in output, output


def test_a_root_that_is_not_there(suite, tmp_path):
    text = """
        @pytest.mark.lsf(needs="bin/sh")
        def test_shell(lsf):
            assert lsf("/bin/sh", "-c", "uname").stdout == "FreeBSD\\n"

        def test_static(lsf):
            assert lsf(PROGRAM, "time", "1").stdout
    """
    status, output = suite(text)
    assert status == 0 and "1 passed, 1 skipped" in output and "lsfctl root install" in output, output
    (tmp_path / "empty").mkdir()
    status, output = suite(text, "--lsf-root", str(tmp_path / "empty"))
    assert "has no bin/sh" in output and "1 skipped" in output, output


def test_the_root(suite):
    root = str(harness.root_with("bin/sh", "usr/bin/uname", covers="the plugin's fixture in a root"))
    text = """
        @pytest.mark.lsf(needs=["bin/sh", "/usr/bin/uname"])
        def test_shell(lsf):
            assert lsf("/bin/sh", "-c", "uname").stdout == "FreeBSD\\n"
    """
    for arguments, environment in ((["--lsf-root", root], {}), ([], {"LSF_ROOT": root})):
        status, output = suite(text, *arguments, **environment)
        assert status == 0 and "1 passed" in output, output


def test_it_costs_nothing_before_it_is_used(suite):
    status, output = suite("""
        import sys

        def test_nothing():
            assert not {"lsf.api.process", "lsf.roots", "lsf.api.events"} & set(sys.modules)
    """)
    assert status == 0, output
