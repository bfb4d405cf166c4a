"""The pages that lie at the top of the checkout are pages of the site too: README is its first one.

mkdocs calls these functions (`hooks` in mkdocs.yml). A link to a file that is no page of the site stays one in the repository;
where its address is known (`repo_url`) it leads there, and elsewhere it becomes plain text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

TOP = Path(__file__).resolve().parent.parent
#: Name at the top of the checkout: its name in the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def moved(text: str, repository: str | None) -> str:
    """A page of the top with its links as they are in the site, whose root is the folder docs."""

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or not path:
            return found[0]
        if path in PAGES:
            path = PAGES[path]
        elif path.startswith("docs/") and path.endswith(".md"):
            path = path.removeprefix("docs/")
        else:
            return f"[{label}]({repository.rstrip('/')}/tree/HEAD/{target})" if repository else label
        return f"[{label}]({path}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, text)


def on_files(files: Files, config: Any) -> Files:
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=moved((TOP / name).read_text(), config["repo_url"])))
    return files
