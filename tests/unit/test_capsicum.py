"""The table of Capsicum's rights, beside FreeBSD's headers and beside the table of calls."""

from __future__ import annotations

import pytest
from constants import check_freebsd

from lsf.freebsd.tables import capsicum, paths, table

INCLUDES = ["sys/types.h", "sys/capsicum.h"]


def test_rights_are_those_of_the_header():
    constants = [(f"CAP_ALL{i}", capsicum.WORDS[i] | capsicum.RIGHTS["ALL"][i]) for i in range(2)]
    for name, words in capsicum.RIGHTS.items():
        if name not in capsicum.OF_15 | {"NONE", "ALL"}:
            value = sum(mark | bits for mark, bits in zip(capsicum.WORDS, words, strict=True) if bits)
            constants.append((f"CAP_{name}", value))
    check_freebsd("the rights of Capsicum", INCLUDES, constants)


def test_every_descriptor_is_asked_for_or_needs_nothing():
    """A new call cannot be forgotten: each argument that is a descriptor has a right, or stands among those without."""
    for row in table.load():
        asked = {need.argument for need in capsicum.NEEDS.get(row.name, ())}
        assert asked <= set(row.descriptors), row.name
        if row.name in capsicum.NO_RIGHTS or row.name in capsicum.BY_ARGUMENTS:
            continue
        directories = {path.directory for path in paths.PATHS.get(row.name, ())}
        # The descriptor of bindat and connectat is a directory for local sockets alone, and funlinkat's second names a file.
        left = set(row.descriptors) - asked - ({0} if row.name in ("bindat", "connectat") else set())
        left -= {2} if row.name == "funlinkat" else set()
        assert not left, f"{row.name}: {left}, {directories}"


def test_names_are_those_of_calls():
    names = {row.name for row in table.load()}
    assert names >= capsicum.ENABLED
    assert names >= capsicum.NEEDS.keys()
    assert names >= capsicum.BY_ARGUMENTS | capsicum.NO_RIGHTS
    assert capsicum.ENABLED_LATER <= capsicum.ENABLED


@pytest.mark.parametrize("name", ["open", "execve", "ptrace", "wait6", "procctl", "chdir", "connect"])
def test_what_leads_outside_is_not_enabled(name):
    assert not capsicum.is_enabled(name)


def test_directories_ask_where_their_paths_begin():
    """A call that takes a directory's descriptor and is enabled asks for a right of it, or openat's flags say which."""
    for name, found in paths.PATHS.items():
        for path in found:
            if path.directory >= 0 and name in capsicum.ENABLED and name != "openat":
                assert path.directory in {need.argument for need in capsicum.NEEDS[name]}, name
