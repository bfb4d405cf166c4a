"""What a type checker knows of LSF: users' scripts and the examples of docs/user/python.md, under mypy --strict.

The scripts in users/ are run as well, so that what is right by the types is right.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import harness
import pytest

USERS = Path(__file__).with_name("users")
PAGE = harness.TESTS.parent / "docs" / "user" / "python.md"
OUTPUTS = {
    "runner.py": "True True system\n127 lsf: /no/such/program: not found\n",
    "watcher.py": "exec True 3\ngetppid True\nstatus 0\n",
    "parallel.py": "True True True\n",
}

#: Wrong uses, and the kind of mistake that each is.
WRONG = """
    import lsf

    done = lsf.run(["/p"], capture_output=True, text=True)
    done.stdout + b"x"  # operator
    lsf.run(["/p"]).stdout + "text"  # operator
    lsf.run(["/p"], engin="sud")  # call-overload
    lsf.run(["/p"], isolated="yes")  # call-overload
    lsf.command(5)  # arg-type
    process = lsf.Popen(["/p"], stdout=-1, text=True)
    process.communicate(b"bytes")  # arg-type
    for event in lsf.trace(["/p"]):
        event.path  # union-attr
        if event.kind == "exec":
            event.status  # attr-defined
        elif event.kind == "entry":
            event.skip(errno=1.5)  # arg-type
        elif event.kind == "exce":  # comparison-overlap
            pass
"""


def mypy(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy", reason="mypy is not installed") if not harness.STRICT else None
    env = dict(os.environ)
    if (harness.PACKAGE_PARENT / "pyproject.toml").exists():  # what was installed is found by itself
        env["MYPYPATH"] = str(harness.PACKAGE_PARENT)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--cache-dir", cwd / ".cache",
         *arguments],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def examples() -> str:
    """The examples of the page as one script: those of the prompt, then the block that is a file."""
    text = PAGE.read_text()
    prompt = "".join(example.source for example in doctest.DocTestParser().get_examples(text))
    block = text.rpartition("```python\n")[2].partition("```")[0]
    return "from __future__ import annotations\n" + prompt + block


def test_users(tmp_path):
    (tmp_path / "page.py").write_text(examples())
    done = mypy(*sorted(USERS.glob("*.py")), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_page(tmp_path):
    """Functions without annotations are users' freedom, and so is an expression whose value the prompt shows."""
    (tmp_path / "page.py").write_text(examples())
    done = mypy("--allow-untyped-defs", "--allow-untyped-calls", "--check-untyped-defs", "page.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_wrong_uses(tmp_path):
    script = textwrap.dedent(WRONG)
    (tmp_path / "wrong.py").write_text(script)
    done = mypy("wrong.py", cwd=tmp_path)
    found = {
        (int(line), kind) for line, kind in re.findall(r"^wrong\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.M)
    }
    wanted = {(number, line.rpartition("  # ")[2])
              for number, line in enumerate(script.splitlines(), 1) if "  # " in line}  # fmt: skip
    assert found == wanted, done.stdout + done.stderr


@pytest.mark.parametrize("name", OUTPUTS)
def test_users_scripts_run(name):
    if name == "watcher.py" and (reason := harness.engine_missing("ptrace")):
        harness.not_covered("a script that traces", reason)
    env = {key: value for key, value in os.environ.items() if not key.startswith("LSF_")}
    env["PYTHONPATH"] = str(harness.PACKAGE_PARENT)
    done = subprocess.run(
        [sys.executable, USERS / name], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, OUTPUTS[name]), done.stderr
