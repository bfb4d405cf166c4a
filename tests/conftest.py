"""Fixtures for tests that run FreeBSD programs (the machinery is in harness.py)."""

from __future__ import annotations

import os
import signal

import harness
import pytest


def pytest_addoption(parser):
    group = parser.getgroup("lsf")
    group.addoption("--engines", default=os.environ.get("LSF_TEST_ENGINES", ""),
                    help="comma-separated engines to run guests under: sud, trap, ptrace, sud-cli (default: all)")  # fmt: skip


def pytest_configure(config):
    # A root that somebody has installed here would be the default of every start.
    os.environ["LSF_ROOTS"] = "/nonexistent/lsf-roots"
    os.environ.pop("LSF_ROOT", None)
    # Who is started in the background of a script ignores these two, and so would every guest.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.addinivalue_line("markers", "engines(*names): the engines that a guest test runs under")
    config.addinivalue_line(
        "markers", "alone: measures time, or counts what runs: no two of these run beside each other"
    )
    config.addinivalue_line("markers", "together: the file builds something once, in one process of pytest-xdist")


def pytest_generate_tests(metafunc):
    """A test that takes `lsf` runs once under each engine."""
    if "lsf" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("engines")
    engines = marker.args if marker else harness.ENGINES
    chosen = [name for name in metafunc.config.getoption("--engines").split(",") if name]
    unknown = set(chosen) - set(harness.ALL_ENGINES)
    if unknown:
        raise pytest.UsageError(f"unknown engine {', '.join(sorted(unknown))}")
    engines = [name for name in engines if not chosen or name in chosen]
    metafunc.parametrize("lsf", engines, indirect=True, scope="function")


@pytest.fixture
def lsf(request, tmp_path):
    """Runs a FreeBSD program under an engine: `lsf(program, *arguments)` returns a harness.Result.

    The program's working directory is a new one of the test's own.
    """
    engine = request.param
    reason = harness.engine_missing(engine)
    if reason is not None:
        harness.not_covered(f"everything on engine {engine}", reason)
    work = tmp_path / "work"
    work.mkdir()
    return harness.Runner(engine, work)


@pytest.fixture
def root_store(tmp_path, monkeypatch):
    """An empty store of FreeBSD roots, no known digests (tests make releases of their own), nothing fetched, and no waiting between
    tries to fetch something."""
    from lsf.roots import digests, download, downloads, manage

    for name in list(os.environ):
        known = ("LSF_MIRROR", "LSF_REGISTRY", "REGISTRY_AUTH_FILE", "XDG_DATA_HOME")
        if name in known or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LSF_ROOTS", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "SYSTEM_CACHE", str(tmp_path / "system-cache"))
    monkeypatch.setattr(digests, "BASE_TXZ", {})
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(manage, "SWEEP_AGE", -1.0)
    return tmp_path / "store"


@pytest.fixture
def web_server():
    """A web server on loopback (archives.Server)."""
    import archives

    served = archives.Server()
    yield served
    served.close()


@pytest.fixture
def run_root(capsys):
    """`run_root("install", ...)` runs `lsfctl root install ...`: its status, output and error output."""
    from lsf.ctl import lsfctl

    def command(*arguments: object) -> tuple[int, str, str]:
        status = lsfctl.main(["root", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """-n auto: two for each processor, since half of a test's time is waiting."""
    return min(2 * len(os.sched_getaffinity(0)), 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Under `pytest -n auto --dist loadgroup` one process gets all that is to run alone, and all of a file that is to stay together."""
    if config.getvalue("dist") != "loadgroup":
        return None
    import groups

    return groups.Scheduling(config, log)


def pytest_sessionfinish(session):
    """A process of pytest-xdist tells the one that started it what was not covered."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not_covered"] = [(*key, count) for key, count in harness.NOT_COVERED.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    for what, reason, count in getattr(node, "workeroutput", {}).get("not_covered", ()):
        harness.NOT_COVERED[what, reason] += count


def pytest_terminal_summary(terminalreporter):
    if not harness.NOT_COVERED:
        return
    terminalreporter.section("not covered")
    for (what, reason), count in sorted(harness.NOT_COVERED.items()):
        times = f" ({count} tests)" if count > 1 else ""
        terminalreporter.write_line(f"{what}: {reason}{times}")
