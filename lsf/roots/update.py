"""`lsfctl root update`: a root made again from where it came, where there is something newer.

The new root is made beside the old one, which stays until the new one is whole; then their names are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsf.roots import Root, RootError, verify
from lsf.roots.manage import Options, own_root


@dataclass
class Replaced:
    """A root that is to be replaced."""

    root: Root
    quiet: bool
    force: bool

    def is_same(self, digest: str) -> bool:
        """Whether it was made of what has this digest."""
        return self.root.fields.get("digest") == digest

    def may_go(self) -> None:
        """Raises RootError where files of its own would be lost: those that are not as they were installed."""
        if self.force:
            return
        found = verify.differences(self.root, self.quiet)
        if found:
            files = "file that was" if len(found) == 1 else "files that were"
            raise RootError(
                f"{self.root.name} has {len(found)} {files} changed or added (`lsfctl root verify --added {self.root.name}`):"
                " --force throws them away"
            )


def update(name: str, options: Options, auth_file: str = "", force: bool = False) -> Root | None:
    """Bring a root up to date: the new one, or None where there is nothing newer. Raises RootError where that cannot be.

    force: even where files of it were changed or added.
    """
    root = own_root(name)
    options.name = name
    old = Replaced(root, options.quiet, force)
    kind = root.fields.get("kind", "")
    if kind == "image":
        from lsf.roots import importing

        return importing.pull(root.fields.get("image", ""), options, auth_file, old)
    if kind == "pkgbase":
        from lsf.roots import pkgbase

        return pkgbase.install(pkgbase.source_of_root(root.fields), options, old)
    if kind == "release":
        raise RootError(
            f"{name} is made of base.txz, which FreeBSD does not publish again when there are patches: another release"
            " (`lsfctl root install`), or FreeBSD's packages, which are patched (`lsfctl root install --pkgbase`)"
        )
    source = root.fields.get("source") or "an unknown place"
    raise RootError(f"{name} came from {source}, and nothing tells when there is something newer: import it again")
