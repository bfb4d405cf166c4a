"""The table of syscalls: complete, and the same as FreeBSD's headers; the parser refuses what makes no sense."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import harness
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf.freebsd.tables import decode, errno, options, paths, releases, report, table

ROWS = table.load()
CALLS = [row for row in ROWS if row.has_prototype]


# --- FreeBSD's headers


@functools.cache
def header(name: str) -> str:
    headers = harness.freebsd_headers()
    if headers is None:
        harness.missing_tool("the table against FreeBSD's headers", "they are missing: pip install ziglang")
    return (headers[1] / "sys" / name).read_text()


def table_name(name: str) -> str:
    """The name that a row has for a name of the headers. FreeBSD 15 calls exit `_exit`."""
    return {"_exit": "exit"}.get(name, name)


def header_numbers() -> dict[int, tuple[str, str]]:
    """number -> (name as in the table, 'live', 'compat...' or 'obsolete') of sys/syscall.h."""
    found: dict[int, tuple[str, str]] = {}
    for name, number in re.findall(r"#define\s+SYS_(\w+)\s+(\d+)\b", header("syscall.h")):
        compat = re.match(r"freebsd(\d+)_", name)
        if name != "MAXSYSCALL":
            found[int(number)] = table_name(name), f"compat{compat[1]}" if compat else "live"
    for number, text in re.findall(r"/\* (\d+) is (.*?) \*/", header("syscall.h")):
        kind, name = text.split()
        if kind == "obsolete":
            found[int(number)] = name, kind
        elif kind == "old":
            found[int(number)] = f"o{name}", "compat"
        else:
            found[int(number)] = f"{kind}_{name}", kind.replace("freebsd", "compat")
    return found


def header_release() -> int:
    """14 or 15: the release of the headers."""
    maximum = int(re.search(r"SYS_MAXSYSCALL\s+(\d+)", header("syscall.h"))[1])
    return {590: 14, 599: 15}[maximum]


def expected(number: int, name: str, kind: str) -> tuple[str, str]:
    """Name and kind that a row has where the two releases differ; the table has the newer ABI of a number."""
    if header_release() == 14 and number in (79, 80):
        return f"freebsd14_{name}", "compat14"
    if header_release() == 15 and number in (69, 70, 505):
        return {505: "gssd_syscall"}.get(number, name), "live"
    return name, kind


def test_every_number_of_the_headers_has_its_row():
    numbers = header_numbers()
    live = [name for name, kind in numbers.values() if kind == "live"]
    assert len(live) == {14: 404, 15: 408}[header_release()]
    rows = table.by_number()
    wrong = []
    for number, (name, kind) in sorted(numbers.items()):
        row = rows.get(number)
        have = row and (row.name, row.compat or "live")
        if have != expected(number, name, kind):
            wrong.append((number, name, kind, have))
    assert not wrong


def test_no_row_is_invented():
    """A number that the headers do not have is of another release."""
    release = header_release()
    for row in ROWS:
        if row.number not in header_numbers():
            assert release == 14 and float(row.introduced) >= 15, row


def header_arguments() -> dict[str, list[tuple[str, str]]]:
    """The argument structs of sys/sysproto.h: (type, name) by the table's name of the call."""
    structs = re.findall(r"struct (\w+)_args \{\n(.*?)\};", header("sysproto.h"), re.DOTALL)
    member = re.compile(r"PADL_\((.*?)\)\]; .*?(\w+); char \w+_r_")
    return {table_name(name): member.findall(body) for name, body in structs}


def same_type(ctype: str) -> str:
    """The headers of 14 and of 15 spell some types differently."""
    ctype = re.sub(r"\bunsigned( int)?\b", "u_int", ctype)
    return ctype.replace("__siginfo", "siginfo").replace("__acl_type", "acl_type").replace(" ", "")


#: Rows that follow FreeBSD 15, where the type changed and the ABI did not: what 14 has.
TYPES_OF_14 = {
    ("fcntl", "arg"): "long",
    ("readv", "iovp"): "struct iovec *",
    ("writev", "iovp"): "struct iovec *",
    ("__sysctl", "name"): "int *",
    ("aio_suspend", "aiocbp"): "struct aiocb * const *",
    ("sigfastblock", "ptr"): "uint32_t *",
}


def compared_arguments(name: str, arguments: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arguments with types in the spelling of FreeBSD 14."""
    return [(same_type(TYPES_OF_14.get((name, argument), ctype)), argument) for ctype, argument in arguments]


def test_arguments_are_those_of_the_headers():
    structs, compared, wrong = header_arguments(), 0, []
    if header_release() == 14:
        # 79 and 80 had no prefix yet, 595 and 596 did not exist, and 576 took (op, path).
        structs |= {f"freebsd14_{name}": structs[name] for name in ("getgroups", "setgroups")}
        del structs["rpctls_syscall"]
    for row in CALLS:
        if row.name not in structs:
            other_release = row.number in (69, 70, 505, 576) or float(row.introduced) >= 15
            assert row.variadic or other_release, row
            continue
        compared += 1
        have = compared_arguments(row.name, [(argument.ctype, argument.name) for argument in row.arguments])
        want = compared_arguments(row.name, structs[row.name])
        if have != want:
            wrong.append((row.name, have, want))
    assert not wrong
    assert compared > 450


def test_const_pointers_are_read():
    """What FreeBSD declares const is an input."""
    for row in CALLS:
        for argument in row.arguments:
            if argument.ctype.startswith("const ") and argument.direction:
                assert argument.direction in ("in", "str"), (row.name, argument)


# --- the table by itself


def test_it_is_not_empty():
    assert len(ROWS) > 520
    assert sum(row.lane == "pass" for row in ROWS) > 35
    assert sum(row.compat == "" for row in ROWS) >= 410


def test_the_text_is_in_one_form():
    """What the parser understands, printed, is what stands in the file."""
    by_line = dict(enumerate(table.PATH.read_text(encoding="utf-8").splitlines(), 1))
    for row in ROWS:
        assert by_line[row.line].split(" | ")[5] == row.prototype


#: Calls that close or renumber descriptors: a hidden descriptor of LSF must survive them.
CLOSE_OR_RENUMBER = {"close", "close_range", "freebsd12_closefrom", "dup2", "fcntl", "execve", "fexecve"}
#: Calls that could take LSF's own memory away.
MAP = {"mmap", "munmap", "mprotect", "madvise", "minherit", "mincore", "break", "shmat", "shmdt", "freebsd6_mmap"}
#: Calls that end, make or signal a process or a thread.
PROCESS = {"exit", "fork", "vfork", "rfork", "pdfork", "thr_new", "thr_exit", "kill", "wait4", "wait6", "ptrace"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.lane == "pass"], ids=lambda row: row.name)
def test_what_may_pass(row):
    assert row.name not in CLOSE_OR_RENUMBER | MAP | PROCESS
    kinds = {decode.argument_kind(row, argument) for argument in row.arguments}
    assert decode.Kind.SIGNAL not in kinds
    differing = {
        kind for kind in kinds if kind in decode._TABLES or kind in (decode.Kind.SOCKADDR, decode.Kind.MSGHDR)
    } | kinds & {decode.Kind.STAT, decode.Kind.STATFS, decode.Kind.KEVENT, decode.Kind.SIGSET, decode.Kind.SIGACTION}
    assert not differing
    # Linux takes six registers, and pointers come in the same order.
    assert len(row.arguments) <= 6


def test_every_type_has_a_kind():
    kinds = {decode.argument_kind(row, argument) for row in CALLS for argument in row.arguments}
    kinds |= {decode.result_kind(row) for row in CALLS}
    unused = set(decode.Kind) - kinds - decode.WITHIN_STRUCTS
    assert not unused


def test_sizes_point_at_arguments():
    seen = 0
    for row in CALLS:
        for argument in row.arguments:
            size = decode.argument_size(row, argument)
            if size == decode.NO_SIZE:
                assert not argument.size
                continue
            seen += 1
            if size & decode.SIZE_IS_CONSTANT:
                assert size - decode.SIZE_IS_CONSTANT == int(argument.size)
            else:
                other = row.arguments[size & 7]
                assert other.name == argument.size.lstrip("*")
                assert bool(size & decode.SIZE_IS_POINTED_TO) == other.is_pointer
    assert seen > 100


@given(st.sampled_from([kind for kind in decode.Kind if decode.names(kind)]), st.integers(0, 0xFFFFFFFF))
def test_formatted_flags_say_everything(kind, value):
    """The names and the rest, put together again, are the value."""
    text = decode.format_flags(kind, value)
    known = {name: number for name, number, _ in decode.names(kind)}
    total = 0
    for part in text.split("|"):
        total |= known[part] if part in known else int(part, 16)
    assert total == value


def test_formatted_flags():
    kind = decode.Kind
    assert decode.format_flags(kind.OPEN_FLAGS, 0x602) == "O_RDWR|O_CREAT|O_TRUNC"
    assert decode.format_flags(kind.OPEN_FLAGS, 0) == "O_RDONLY"
    assert decode.format_flags(kind.ACCESS_MODE, 0) == "F_OK"
    assert decode.format_flags(kind.ACCESS_MODE, 6) == "W_OK|R_OK"
    assert decode.format_flags(kind.FCNTL_CMD, 3) == "F_GETFL"
    assert decode.format_flags(kind.FCNTL_CMD, 0x99) == "0x99"
    assert decode.format_flags(kind.PROT, 0) == "0x0"
    assert decode.format_flags(kind.SOCKET_TYPE, 0x10000001) == "SOCK_STREAM|SOCK_CLOEXEC"


def test_the_docs_page_is_of_this_table():
    page = Path(__file__).resolve().parents[2] / "docs/user/syscalls.md"
    if not page.parent.is_dir():
        pytest.skip("docs/ is not here: an installed package")
    assert page.read_text(encoding="utf-8") == report.markdown(harness.GUESTS), (
        "python -m lsf.freebsd.tables.report > docs/user/syscalls.md"
    )


def test_the_page_of_releases_is_of_its_table():
    page = Path(__file__).resolve().parents[2] / "docs/user/releases.md"
    if not page.parent.is_dir():
        pytest.skip("docs/ is not here: an installed package")
    assert page.read_text(encoding="utf-8") == report.releases_page(), (
        "python -m lsf.freebsd.tables.report releases > docs/user/releases.md"
    )


def test_what_releases_name_are_calls():
    names = {row.name for row in table.load()}
    assert set(releases.CALLS) <= names
    assert set(releases.CLOFORK) <= names


# --- the parser

GOOD = "3 | read | 1 | pass read restart | full | ssize_t read(int fd, out[nbyte] void *buf, size_t nbyte)"


def test_a_row():
    (row,) = table.parse(f"# comment\n\n{GOOD}\n")
    assert (row.number, row.name, row.line) == (3, "read", 3)
    assert (row.lane, row.target, row.restart) == ("pass", "read", True)
    assert row.result == "ssize_t"
    assert row.arguments[1] == table.Argument("void *", "buf", "out", "nbyte")
    assert row.prototype == GOOD.split(" | ")[5]


def test_arguments_of_every_form():
    text = (
        "4 | x | 12-13 compat12 | translate sys_y restart | partial | void *x(in str const char *path, inout int *a, "
        "out[*n bytes] struct sockaddr *b, in[2] const struct timeval *c, struct aiocb * const *d, in char **e, "
        "socklen_t *n, ...) | half"
    )
    (row,) = table.parse(text)
    assert (row.introduced, row.compat, row.target, row.variadic) == ("12", "compat12", "sys_y", True)
    assert [argument.direction for argument in row.arguments] == ["str", "inout", "out", "in", "", "in", ""]
    assert row.arguments[2].size_in_bytes
    assert [argument.ctype for argument in row.arguments][4:6] == ["struct aiocb * const *", "char **"]
    assert row.prototype == text.split(" | ")[5]


WRONG = {
    "no columns": "3 | read",
    "a number too large": GOOD.replace("3 |", "602 |", 1),
    "a number that is none": GOOD.replace("3 |", "x |", 1),
    "a name that is none": GOOD.replace("| read |", "| re-ad |"),
    "another name": GOOD.replace("| read |", "| write |"),
    "a release that is none": GOOD.replace("| 1 |", "| soon |"),
    "an unknown lane": GOOD.replace("pass read restart", "walk read"),
    "a lane without a call": GOOD.replace("pass read restart", "pass restart"),
    "a function without sys_": GOOD.replace("pass read restart", "translate read"),
    "an unknown state": GOOD.replace("| full |", "| fine |"),
    "an errno that FreeBSD lacks": GOOD.replace("pass read restart | full", "refuse EUCLEAN | refused") + " | why",
    "refused and full": GOOD.replace("pass read restart", "refuse EPERM"),
    "passed and refused": GOOD.replace("| full |", "| refused |") + " | why",
    "todo that passes": GOOD.replace("| full |", "| todo |"),
    "todo that is refused otherwise": GOOD.replace("pass read restart", "refuse EPERM").replace("| full |", "| todo |"),
    "partial without a note": GOOD.replace("| full |", "| partial |"),
    "refused without a note": GOOD.replace("pass read restart", "refuse EPERM").replace("| full |", "| refused |"),
    "no prototype": "3 | read | 1 | pass read | full | -",
    "a prototype that is none": GOOD.replace("ssize_t read(", "read("),
    "a size that is no argument": GOOD.replace("out[nbyte]", "out[count]"),
    "a direction without a pointer": GOOD.replace("int fd", "in int fd"),
    "an output that is const": GOOD.replace("void *buf", "const void *buf"),
    "a string with a size": GOOD.replace("out[nbyte] void", "in str[nbyte] char"),
    "one name twice": GOOD.replace("int fd", "int nbyte"),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_wrong_rows_are_refused(text):
    assert text != GOOD
    with pytest.raises(table.TableError, match=r"^here:2: "):
        table.parse(f"# comment\n{text}\n", "here")


def test_order_and_names():
    with pytest.raises(table.TableError, match=r"^here:2: 3 comes after 3"):
        table.parse(f"{GOOD}\n{GOOD}\n", "here")
    with pytest.raises(table.TableError, match=r"^here:2: the name read is taken"):
        table.parse(f"{GOOD}\n{GOOD.replace('3 |', '4 |', 1)}\n", "here")


def test_lookups():
    assert table.by_number()[3] is table.by_name()["read"]
    assert table.by_name()["sigreturn"].number == 417, "139 was 4.2BSD's"
    assert all(row.target in errno.NUMBER for row in ROWS if row.lane == "refuse")


# ---------------------------------------------------------------- which arguments are paths


def test_every_path_is_known():
    """A new call with a string cannot be forgotten in the view by look-up: it is a path, or said to be none."""
    named, rows = set(), table.by_name()
    for name, arguments in paths.PATHS.items():
        row = rows[name]
        assert row.lane != "refuse", f"{name} takes no path any more"
        for path in arguments:
            assert row.arguments[path.argument].direction == "str", (name, path)
            named.add((name, row.arguments[path.argument].name))
            if path.directory >= 0:
                assert row.arguments[path.directory].ctype == "int", (name, path)
            flagged = path.follow not in (paths.Follow.NEVER, paths.Follow.ALWAYS)
            assert not flagged or path.flags >= 0, (name, path)
            if path.flags >= 0:
                assert row.arguments[path.flags].name in ("flag", "flags", "atflag", "mask"), (name, path)
    strings = {(row.name, argument.name) for row in ROWS if row.lane != "refuse"
               for argument in row.arguments if argument.direction == "str"}  # fmt: skip
    assert strings - named - paths.NO_PATH == set()
    assert paths.NO_PATH - strings == set()
    assert named & paths.NO_PATH == set()


def test_descriptors():
    """Each argument that is called as descriptors are is one, but for those that are numbers, ranges or times of one."""
    numbers = {("dup2", "to"), ("close_range", "lowfd"), ("close_range", "highfd"), ("freebsd12_closefrom", "lowfd")}
    for row in table.load():
        for index, argument in enumerate(row.arguments):
            if argument.is_pointer or argument.name == "nfds" or (row.name, argument.name) in numbers:
                assert index not in row.descriptors
            elif re.search(r"fd|fil?des", argument.name):
                assert index in row.descriptors, row
    by_name = table.by_name()
    assert by_name["read"].descriptors == (0,)
    assert by_name["mmap"].descriptors == (4,)
    assert by_name["linkat"].descriptors == (0, 2)
    assert by_name["bindat"].descriptors == (0, 1)
    assert by_name["ksem_post"].descriptors == (0,)
    assert by_name["getppid"].descriptors == ()


def test_the_page_of_options_is_current():
    page = Path(__file__).resolve().parents[2] / "docs/user/options.md"
    assert page.read_text(encoding="utf-8") == report.options_page(), (
        "python -m lsf.freebsd.tables.report options > docs/user/options.md"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("done | O_RDONLY", "options.master:1: "),
        ("= open.flags", "not `= CALL.ARGUMENT"),
        ("= open : sys/fcntl.h O_.*", "open: not CALL.ARGUMENT"),
        ("= open.flags : sys/fcntl.h O_.*\nfinished | O_RDONLY", "finished: no state"),
        ("= open.flags : sys/fcntl.h O_.*\nrefused | O_RDONLY", "refused: no state"),
        ("= open.flags : sys/fcntl.h O_.*\ndone EINVAL | O_RDONLY", "done EINVAL: no state"),
        ("= open.flags : sys/fcntl.h O_.*\npartial | O_RDONLY", "partial without saying"),
        ("= open.flags : sys/fcntl.h O_.*\ndone | ", "no names"),
    ],
)
def test_an_option_that_says_nothing(text, said):
    with pytest.raises(options.OptionsError, match=re.escape(said)):
        options.parse(text)


def test_options_name_calls_and_arguments():
    calls = table.by_name()
    for family in options.load():
        for call, argument in family.arguments:
            assert argument in [a.name for a in calls[call].arguments], f"{call}.{argument}"
        assert len({option.name for option in family.options}) == len(family.options)
        for option in family.options:
            assert not option.errno or option.errno in errno.NUMBER
