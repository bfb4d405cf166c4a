"""pytest's plugin: a fixture `lsf` that runs FreeBSD programs, an option for their root, a marker for their options.

pytest loads it wherever LSF is installed, so it imports nothing else of LSF's before the fixture is used.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lsf.api.process import Argument, Popen

TIMEOUT = 60.0


class FreeBSD:
    """Runs FreeBSD programs for one test. `root` is the folder or name of their root; None: as for the command `lsf`."""

    def __init__(self, root: str | None, options: dict[str, Any]) -> None:
        self.root = root
        self._options = {**({"root": root} if root else {}), **options}

    def __call__(self, *args: Argument, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end: lsf.run, whose output is kept as text, within 60 seconds. Raises what lsf.run raises,
        subprocess.CalledProcessError for a status other than 0 unless `check=False` is given."""
        import lsf

        defaults = {"capture_output": True, "text": True, "timeout": TIMEOUT, "check": True}
        if options.keys() & {"stdout", "stderr"}:
            del defaults["capture_output"]
        done: subprocess.CompletedProcess[str] = lsf.run(args, **{**defaults, **self._options, **options})
        return done

    def start(self, *args: Argument, **options: Any) -> Popen[Any]:
        """Start a program: lsf.Popen."""
        import lsf

        return lsf.Popen(args, **{**self._options, **options})


def _missing(root: str | None, needed: list[str]) -> str:
    """Why a root does not have what a test needs, "" where it has."""
    from lsf import roots

    try:
        folder = roots.resolve(root or os.environ.get("LSF_ROOT", ""))
    except roots.RootError as error:
        return str(error)
    lacks = [name for name in needed if not os.path.lexists(f"{folder}/{name.lstrip('/')}")]
    return f"{folder} has no {', '.join(lacks)}" if lacks else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lsf", "FreeBSD programs")
    group.addoption("--lsf-root", metavar="ROOT", help="the FreeBSD root that the fixture `lsf` runs programs in: a folder, or"
                    " the name of an installed one (default: LSF_ROOT, else the default root)")  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lsf(needs=[], **options): for the programs that the fixture `lsf` runs: what their root"
                            " must have, else the test is skipped; options of lsf.run")  # fmt: skip


@pytest.fixture
def lsf(request: pytest.FixtureRequest) -> FreeBSD:
    """`lsf("./program", "argument")` runs a FreeBSD program: lsf.run, its output as text, a failure an exception."""
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("lsf"))):
        if marker.args:
            raise pytest.UsageError("the marker lsf takes options by name: @pytest.mark.lsf(engine=...)")
        options.update(marker.kwargs)
    needed = options.pop("needs", None)
    root = request.config.getoption("--lsf-root") or options.pop("root", None)
    options.pop("root", None)
    if needed is not None and (why := _missing(root, [needed] if isinstance(needed, str) else list(needed))):
        pytest.skip(why)
    return FreeBSD(root, options)
