"""The data of other people's suites: they add up, and the page is made of them."""

from __future__ import annotations

import re
from pathlib import Path

import conformance
import pytest


@pytest.mark.parametrize("suite", conformance.SUITES, ids=lambda suite: suite.name)
def test_what_differs_is_explained(suite):
    assert conformance.missing(suite) == 0
    assert all(case.count > 0 and case.name and case.reason for case in suite.differs)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", suite.date)


def test_the_page_is_of_these_data():
    page = Path(__file__).resolve().parents[2] / "docs/user/conformance.md"
    if not page.parent.is_dir():
        pytest.skip("docs/ is not here: an installed package")
    assert page.read_text(encoding="utf-8") == conformance.page(), (
        "python tests/conformance.py > docs/user/conformance.md"
    )
