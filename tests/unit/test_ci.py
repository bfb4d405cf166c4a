""".ci/flaky.py, and that CI's versions of tools stand in one place as in the other."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import harness

TOP = harness.TESTS.parent
FLAKY = TOP / ".ci" / "flaky.py"


def test_flaky_tests_are_counted(tmp_path):
    file, first, second = (str(tmp_path / name) for name in ("flaky.tsv", "first", "second"))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, FLAKY, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    assert run(file) == ""
    (tmp_path / "first").write_text(json.dumps({"a.py::x[1 2]": True, "a.py::broken": True, "b.py": True}))
    (tmp_path / "second").write_text(json.dumps({"a.py::broken": True}))
    assert re.search(r"^1\t\d{4}-\d\d-\d\d\ta\.py::x\[1 2\]$", run(file, first, second), re.MULTILINE)
    (tmp_path / "first").write_text(json.dumps({"a.py::x[1 2]": True, "a.py::y": True}))
    lines = run(file, first, str(tmp_path / "none")).splitlines()[1:]
    assert [line.split("\t")[::2] for line in lines] == [["2", "a.py::x[1 2]"], ["1", "a.py::y"]]
    assert run(file).splitlines()[1:] == lines


def test_versions_of_the_linters():
    group = re.search(r"^lint = \[(.*)\]$", (TOP / "pyproject.toml").read_text(), re.MULTILINE)[1]
    wanted = set(re.findall(r"[\w-]+==[\w.]+", group))
    assert len(wanted) == 3
    assert set(re.findall(r"[\w-]+==[\w.]+", (TOP / ".pre-commit-config.yaml").read_text())) == wanted
