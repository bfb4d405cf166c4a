"""The documentation's links lead somewhere, and what it counts is so."""

from __future__ import annotations

import re

import harness
import pytest

from lsf.freebsd.tables import table

TOP = harness.TESTS.parent
PAGES = sorted(str(page.relative_to(TOP)) for page in (*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")))


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links(name):
    page = TOP / name
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_readme_counts_the_states():
    rows = table.load()
    count = {state: sum(row.state == state for row in rows) for state in ("full", "partial", "refused")}
    said = f"{len(rows)} rows: {count['full']} complete, {count['partial']} partial"
    readme = " ".join((TOP / "README.md").read_text().split())
    assert said in readme
    assert f"{count['refused']} refused" in readme
