"""The floors of the shim (lsf/_build/layers.py): nothing climbs, and what would is named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import harness
import pytest

from lsf._build import layers

SOURCE = harness.sources()


@pytest.fixture
def package(tmp_path):
    """A copy of the sources that a test may spoil."""
    return shutil.copytree(
        SOURCE, tmp_path / "lsf", ignore=shutil.ignore_patterns("*.so", "*.elf", "*.c", "*.debug", "__pycache__")
    )


def plant(package: Path, file: str, text: str) -> int:
    """Append to a file; the number of the first line that is new."""
    path = package / file
    before = path.read_text()
    path.write_text(before + text)
    return before.count("\n") + 1


def test_nothing_climbs():
    assert layers.check(SOURCE) == []


def test_every_file_has_a_floor():
    known = {source.path for source in layers.sources(SOURCE)}
    files = {
        str(path.relative_to(SOURCE)) for folder in ("machine", "freebsd") for path in (SOURCE / folder).rglob("*.pxi")
    }
    assert files and files <= known


def test_a_use_that_climbs_is_named_with_both_lines(package):
    line = (
        plant(
            package,
            "machine/ground/text.pxi",
            "\n\ncdef long planted() noexcept nogil:\n    return kqueue_new(NULL, 0)\n",
        )
        + 3
    )
    defined = next(source for source in layers.sources(package) if "kqueue_new" in source.defines)
    (problem,) = layers.check(package)
    assert problem.startswith(
        f"lsf/machine/ground/text.pxi:{line} uses kqueue_new, which lsf/{defined.path}:{defined.defines['kqueue_new']} "
    )


def test_a_constant_and_a_struct_climb_too(package):
    plant(
        package,
        "freebsd/kernel/time/time.pxi",
        "\n\ncdef long planted(knote_t *kn) noexcept nogil:\n    return KN_ACTIVE\n",
    )
    assert sorted(re.findall(r" uses (\w+),", "\n".join(layers.check(package)))) == ["KN_ACTIVE", "knote_t"]


def test_names_in_text_and_local_names_are_no_uses(package):
    plant(
        package,
        "machine/ground/text.pxi",
        """

cdef long planted(long kqueue_new) noexcept nogil:
    \"\"\"Not kevent_wait.\"\"\"
    cdef long knote_new = kqueue_new        # nor kevent_call
    complain(b"sys_kevent", NULL, NULL, NULL)
    return knote_new
""",
    )
    assert layers.check(package) == []


def test_a_reason_is_for_those_that_have_it(package):
    """What files may ask of a kqueue, the machine may not."""
    plant(
        package,
        "machine/ground/text.pxi",
        "\n\ncdef bint planted(process_t *proc) noexcept nogil:\n    return event_watches(proc, 0)\n",
    )
    (problem,) = layers.check(package)
    assert "lsf/machine/ground/text.pxi" in problem and "event_watches" in problem


def test_a_reason_that_nothing_needs_is_named(monkeypatch):
    monkeypatch.setitem(layers.UP_CALLS, "never_called", layers.Reason("machine/ground", "no reason"))
    (problem,) = layers.check(SOURCE)
    assert "never_called" in problem


def test_the_map_is_up_to_date():
    page = SOURCE.parent / "docs/developer/house.md"
    assert page.read_text() == layers.house(SOURCE)


def test_the_machine_is_neutral():
    """No name, number or word of FreeBSD's in it."""
    files = [path for path in (SOURCE / "machine").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [str(path) for path in files if re.search("freebsd", path.read_text(), re.IGNORECASE)] == []


def test_no_constant_of_a_system_is_bare():
    """What LSF declares itself is its own: a system's number has LINUX_, FREEBSD_ or ELF_ before its name."""
    tables = {
        name for source in layers.sources(SOURCE) if source.path.endswith("numbers.pxi") for name in source.defines
    }
    systems = {re.sub("^(LINUX|FREEBSD)_", "", name) for name in tables}
    own = {
        name
        for source in layers.sources(SOURCE)
        if not source.path.endswith("numbers.pxi")
        for name in source.defines
        if name.isupper()
    }
    assert len(systems) > 1000 and len(own) > 300
    assert sorted(own & systems) == []
