"""lsf.start.launch: finding the program, and the names of releases."""

from __future__ import annotations

import pytest

from lsf.start import handover, launch
from lsf.start.errors import LaunchError
from lsf.start.files import DEFAULT_PATH, find_program

# ---------------------------------------------------------------- releases


@pytest.mark.parametrize(
    ("release", "number"),
    [("14.1-RELEASE", 1401000), ("13.5", 1305000), ("10.1-RELEASE-p3", 1001000), ("15.0-CURRENT", 1500068), ("14.0", 1400097),
     ("1401000", 1401000), ("1305512", 1305512)],
)  # fmt: skip
def test_osreldate(release, number):
    assert launch.osreldate(release) == number


@pytest.mark.parametrize("release", ["", "14", "FreeBSD", "14.x", "0.1", "14.100", "-14.1", "99999", "14.1.2", "1e6"])
def test_osreldate_refuses_nonsense(release):
    with pytest.raises(LaunchError):
        launch.osreldate(release)


# ---------------------------------------------------------------- the program


@pytest.fixture
def folders(tmp_path):
    """Two folders of a PATH: `both` is in each, `plain` is not executable in the first, `folder` is a folder there."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for program in ("both", "plain", "folder"):
            if (name, program) == ("one", "folder"):
                (tmp_path / name / program).mkdir()
                continue
            (tmp_path / name / program).touch()
            (tmp_path / name / program).chmod(0o644 if (name, program) == ("one", "plain") else 0o755)
    (tmp_path / "one" / "refused").touch()
    (tmp_path / "one" / "refused").chmod(0o644)
    return tmp_path


@pytest.mark.parametrize(("program", "place"), [("both", "one"), ("plain", "two"), ("folder", "two")])
def test_program_in_path(folders, program, place):
    path = f"{folders}/none:{folders}/one:{folders}/two"
    assert find_program(program, path) == f"{folders}/{place}/{program}"


def test_program_in_empty_and_relative_parts_of_path(folders, monkeypatch):
    monkeypatch.chdir(folders / "two")
    assert find_program("both", "/none:") == f"{folders}/two/both"
    assert find_program("both", "../one") == f"{folders}/one/both"


def test_program_with_a_slash_is_not_looked_for(folders, monkeypatch):
    monkeypatch.chdir(folders)
    assert find_program("one/nosuch", f"{folders}/one") == f"{folders}/one/nosuch"
    assert find_program("/one/nosuch", "") == "/one/nosuch"


@pytest.mark.parametrize(("program", "status"), [("nosuch", 127), ("", 127), ("refused", 126)])
def test_program_that_is_not_there(folders, program, status):
    with pytest.raises(LaunchError) as caught:
        find_program(program, f"{folders}/two:{folders}/one")
    assert caught.value.status == status


def test_without_path_freebsds_default_is_searched(monkeypatch):
    asked = []
    monkeypatch.setattr(
        launch.os, "stat", lambda name: asked.append(name) or (_ for _ in ()).throw(FileNotFoundError())
    )
    with pytest.raises(LaunchError):
        find_program("p", None)
    assert asked == [f"{folder}/p" for folder in DEFAULT_PATH.split(":")]


def test_the_words_of_a_handover_are_told_apart():
    letters = list(handover.WORDS.values())
    assert len(set(letters)) == len(letters)
    # login names take three letters more
    assert all(len(letter) == 1 for letter in letters) and not {"1", "2", "3"} & set(letters)
    assert handover.word("OSRELDATE", 1401000) == "r=1560a8"
