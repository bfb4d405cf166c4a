"""What the views consist of: whose each name is, and what --bind adds. mounts.py makes them of mounts, rules.py of rules."""

import os

from lsf.start.errors import LaunchError

#: Always the host's, in both views: the shim needs them as Linux has them.
SYSTEM = ("dev", "proc")
#: The host's in the merged view. All that is not listed is the root's where the root has it, else the host's.
HOST = frozenset(("home", "tmp", "root", "mnt", "media", "srv", "opt"))

#: What a view by look-up consists of (lsf/start/rules.py).
Rules = list[tuple[str, str]]


class Bind:
    """A part of the host to be shown in the view: --bind SOURCE[:TARGET][:ro]."""

    def __init__(self, text: str) -> None:
        source, *rest = text.split(":")
        self.text = text
        self.read_only = bool(rest) and rest[-1] in ("ro", "rw") and rest.pop() == "ro"
        target = rest.pop() if rest else source
        if rest or not source or not target:
            raise self.wrong("not of the form SOURCE[:TARGET][:ro]")
        try:
            self.source = os.path.abspath(source)
        except OSError as error:
            raise self.wrong(f"the current directory: {error.strerror}") from None
        self.target = os.path.normpath("/" + target.lstrip("/")) if target != source else self.source
        if not target.startswith("/") and target != source:
            raise self.wrong("the place in the view must be an absolute path")
        top = self.target.split("/")[1]
        if not top or (top in SYSTEM and self.target.count("/") == 1):
            raise self.wrong(f"{self.target} is LSF's own in every view")

    def wrong(self, reason: str | None) -> LaunchError:
        """The exception that says what is wrong with it."""
        return LaunchError(f"--bind {self.text}: {reason}")


def leads_to(link: str) -> str:
    """The top-level folder that a symbolic link at the top points into, "" for none."""
    return os.path.normpath("/" + os.readlink(link)).split("/")[1]


def owners(root_names: set[str], host_names: set[str]) -> dict[str, bool]:
    """Which top-level names the merged view has: True for the root's, False for the host's."""
    return {
        name: name in root_names and name not in SYSTEM and not (name in HOST and name in host_names)
        for name in root_names | host_names
    }


def parts(root: str) -> list[tuple[str, str, bool]]:
    """The top of the merged view: each name, where what it shows is, and whether that is the root's.

    A link of the host's that would lead into the root's folder of that name shows what it leads to now, if it is one of those
    in which users keep things; /lib64 and such are not shown.
    """
    chosen = owners(set(os.listdir(root)), set(os.listdir("/")))
    found = []
    for name, is_roots in chosen.items():
        source = f"{root}/{name}" if is_roots else "/" + name
        if not is_roots and os.path.islink(source) and chosen.get(leads_to(source)):
            source = os.path.realpath(source)
            if name not in HOST or not os.path.isdir(source):
                continue
        found.append((name, source, is_roots))
    return found
