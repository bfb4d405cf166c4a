"""Which release to install, asked at a terminal."""

from __future__ import annotations

import sys

from lsf import roots
from lsf.roots import RootError, digests


def _newest_of_each() -> list[str]:
    """The newest known release of each major version that is not too old to be wanted, as 14.5."""
    newest = {name.partition(".")[0]: name.partition("-")[0] for name in digests.BASE_TXZ}  # they are in order
    return list(newest.values())[-4:]


def which_release() -> str:
    """The release that a person answers with; Enter means the newest that is known. Where nobody can be asked, RootError says what to type."""
    newest = digests.NEWEST.partition("-")[0]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RootError(
            f"which release? `{roots.INSTALL} {newest}`, or `{roots.INSTALL} newest` for the newest that the mirror has"
        )
    print(
        f"Which release of FreeBSD ({', '.join(_newest_of_each())}; newest is the mirror's)? [{newest}] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    answer = sys.stdin.readline()
    if not answer:  # Control-D
        print(file=sys.stderr)
        raise RootError("no release was chosen; nothing was installed")
    return answer.strip() or newest
