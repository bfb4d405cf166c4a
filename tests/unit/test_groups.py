"""What pytest-xdist hands out by (groups.py) is what the tests are marked with."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist")

import groups


def test_the_groups_are_those_of_the_marks(request):
    wrong = []
    for item in request.session.items:
        name = item.nodeid.partition("::")[0]
        kept = name if item.get_closest_marker("together") else item.nodeid
        wanted = "alone" if item.get_closest_marker("alone") else kept
        if groups.group(request.config.rootpath, item.nodeid) != wanted:
            wrong.append((item.nodeid, wanted))
    assert not wrong


def test_functions_and_files(tmp_path):
    (tmp_path / "a.py").write_text(
        "import pytest\n@pytest.mark.alone\n@pytest.mark.parametrize('x', [\n    1,\n])\ndef test_one(x):\n    pass\ndef test_two(): pass\n"
    )
    (tmp_path / "b.py").write_text("pytestmark = [pytest.mark.engines('sud'), pytest.mark.alone]\n")
    (tmp_path / "c.py").write_text("pytestmark = pytest.mark.together\n")
    told = [
        groups.group(tmp_path, test)
        for test in ("a.py::test_one[1]", "a.py::test_two", "b.py::x", "c.py::x", "d.py::x")
    ]
    assert told == ["alone", "a.py::test_two", "alone", "c.py", "d.py::x"]
