"""The words by which a program is handed over to the shim: by the launcher, and by a guest that executes another one.

The image is executed with `argv[0]` = "lsf-handover" and a list of words in `argv[1]`: a letter, "=", a hexadecimal number, and commas
in between; lsf-oci gives them to the image as a command of its own, in front of its `--`. This table is the one place that says which letter is what. The launcher writes by it (`word`); the build makes
handover.h of it, by which execve(2) writes and the start reads (lsf/freebsd/kernel/image). The first word is the version,
and the start refuses another one: then launcher and image are of different installations.
"""

#: Changes with the meaning of any word.
VERSION = 3

#: Name -> letter.
WORDS = {
    "VERSION": "v",
    "TARGET": "t",          # descriptor of the program, open already
    "IMAGE": "i",           # descriptor of the shim's image, to be hidden
    "IMAGE_HIDDEN": "h",    # the same, hidden already
    "ORDINARY": "o",        # Linux's dispositions are as a start leaves them
    "ENGINE": "e",
    "TRUSS": "l",           # descriptor of the output of truss
    "TRUSS_PIDS": "L",      # its lines begin with process numbers
    "NOSIGPIPE": "n",       # who must see no SIGPIPE
    "TRACER": "T",          # somebody traces
    "STATS": "s",           # descriptor of the counters' memory
    "STATS_COUNTED": "S",   # this process is counted there
    "MASK": "m",            # FreeBSD's signal mask, signals 1 to 64
    "MASK_HIGH": "M",       # 65 to 128
    "IGNORED": "g",         # ignored signals that Linux does not know to be
    "IGNORED_HIGH": "G",
    "PENDING": "p",         # signals that wait among SEGV, BUS and SYS
    "DEBUG": "d",
    "FILTER": "f",          # the filter of the engine `trap` is there
    "OSRELDATE": "r",
    "FAKEROOT": "F",
    "RULES": "V",           # so many rules of a view by look-up follow the path, two arguments each
    "STACK": "k",           # the soft limit of the stack for Linux programs; the sender was a guest
    "STRINGS": "a",         # descriptor of a file with the arguments and the environment
    "STRINGS_ARGC": "A",
    "STRINGS_ENVC": "B",
    "SEARCH": "q",          # look the program up in PATH
    "DIRECTORY": "c",       # the last rule is followed by the directory to start in
    "PROCDESC": "D",        # descriptor that is open while the process lives
    "KEPT": "K",            # what FreeBSD keeps over exec
    "WOKEN": "W",           # thr_wake came before
    "CPUSET": "u",
    "LIMIT": "E",           # the number of a limit that Linux does not have; how far the next two are from infinity:
    "LIMIT_CUR": "6",
    "LIMIT_MAX": "7",
    "CAPMODE": "C",         # capability mode
    "RIGHTS": "R",          # descriptor of a file that says what limited descriptors have
    "BENEATH": "b",         # a descriptor with FD_RESOLVE_BENEATH
    "LOGIN": "0",           # 0 to 3: setlogin(2)'s name, eight bytes each
    "USERS": "4",           # shown instead of Linux's: the real user id, above it the effective one
    "GROUPS": "5",
    "NO_PATCH": "x",
    "DEBUGGER": "w",        # the guest that traces this one by ptrace(2)
    "TRACING": "j",         # this process may trace others
    "RECORD": "y",          # descriptor of ktrace(2)'s file: all is recorded, of children too
    "RECORD_FACS": "Y",     # after it: what is recorded instead
    "SOCKETS": "N",         # kinds of sockets that the sender has passed on (SOCKETS_ in kept.pxi)
    "FEXECVE": "X",         # the call was that one, as a tracer or ktrace(2) wants to know
    "LINUX": "z",           # a Linux program is executed as it is
}  # fmt: skip


def word(name: str, value: int) -> str:
    """One word."""
    return f"{WORDS[name]}={value:x}"
