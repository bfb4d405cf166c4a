"""The site of the documentation builds without a warning: every page is in its navigation, and every link leads to a page of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import harness
import pytest

TOP = harness.TESTS.parent


@pytest.fixture
def build(tmp_path):
    """`build(top)` builds the site of a checkout; what it was is in the folder `site` of tmp_path."""
    if shutil.which("mkdocs", path=os.path.dirname(sys.executable)) is None:
        harness.missing_tool("the documentation's site", "mkdocs is not installed")

    def run(top, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path / "site"],
            cwd=top,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_builds(build, tmp_path):
    done = build(TOP, REPOSITORY="https://example.org/them/lsf")
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "site" / "index.html").read_text()
    assert 'href="user/migrate/"' in home
    assert (
        'href="https://example.org/them/lsf/tree/HEAD/LICENSE"'
        in (tmp_path / "site" / "contributing" / "index.html").read_text()
    )
    # Nothing is loaded from elsewhere when a page is read.
    assert not re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="?(https?://(?!example\.org)[^" >]*)', home)


def test_a_link_that_leads_nowhere_is_seen(build, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(TOP / "docs", copy / "docs")
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        shutil.copy(TOP / name, copy)
    with open(copy / "docs" / "user" / "views.md", "a") as page:
        page.write("\n[there](roots.md#no-such-heading)\n")
    done = build(copy)
    assert done.returncode == 1
    assert "no-such-heading" in done.stderr
