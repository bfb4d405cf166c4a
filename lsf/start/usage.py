"""What `lsf --help` and `lsf --version` print, and what becomes of output that cannot be written: apart from cli.py, for no
start needs it."""

import os
import sys

from lsf import __version__
from lsf.start.errors import say

HELP = """\
usage: lsf [options] [--] PROGRAM [ARG...]

Runs a FreeBSD program. Options end at the program.

  --root DIR|NAME    run in this FreeBSD root: its system folders, the host's files; none: in
                     none (a program that needs a root runs in the default one)               LSF_ROOT
  --isolated         show the root alone, and what --bind adds                             LSF_ISOLATED=1
  --fakeroot         show the user as root, and pretend to give files away                  LSF_FAKEROOT=1
  --view NAME        by what means: auto, namespace, chroot or lookup (default: auto)            LSF_VIEW
  --bind SRC[:DST][:ro]   show SRC of the host as DST in the view               LSF_BIND=A:/x,B:/y:ro
  --engine NAME      how system calls reach LSF: auto, sud, trap or ptrace (default: auto)     LSF_ENGINE
  -E NAME=VALUE      set an environment variable                              LSF_SET_ENV=A=1,B=2
  -U NAME            unset an environment variable                            LSF_UNSET_ENV=A,B
  --chdir DIR        the directory to start in, in the view                                    LSF_CHDIR
  --argv0 NAME       the program's argv[0]                                                     LSF_ARGV0
  --truss[=FILE]     write system calls to FILE, or to standard error         LSF_TRUSS=FILE, LSF_TRUSS=1
  --ktrace FILE      write what FreeBSD's ktrace does to FILE, for kdump                       LSF_KTRACE
  --stats[=text|json][:FILE]   count the system calls; say so at the end      LSF_STATS=1, LSF_STATS=json:FILE
  --osrelease R      the FreeBSD release to show: 14.1-RELEASE, 14.1 or 1401000                LSF_OSRELEASE
  --no-patch         leave the program's text as it is, at some cost in speed                  LSF_PATCH=0
  --debug            say more about what LSF does                                              LSF_DEBUG=1
  -h, --help         this text
  --version          the version of LSF

Each option has the environment variable beside it as its twin; the option wins.
Host variables whose names begin with LD_ are not given to the program; -E sets them nevertheless.

The exit status is the program's, 128+N in a shell where signal N ended it; else
  125  LSF itself failed      126  the program could not be run      127  it was not found
"""


def version() -> str:
    """The line that `lsf --version` prints."""
    return f"lsf {__version__}\n"


def show(text: str) -> int:
    """Print a text: the exit status, 125 where it cannot be written."""
    try:
        print(text, end="")
        sys.stdout.flush()
    except (OSError, AttributeError) as error:  # AttributeError: standard output is closed
        give_up_output()
        say(f"standard output: {getattr(error, 'strerror', None) or 'closed'}")
        return 125
    return 0


def give_up_output() -> None:
    """Let standard output lead nowhere: Python would complain again at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing() -> None:
    """Open what is closed of standard input, output and error, so that no other file takes its number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(fd)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
