"""The documentation's links lead somewhere."""

from __future__ import annotations

import re

import harness
import pytest

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
