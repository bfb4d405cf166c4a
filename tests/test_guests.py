"""Every case of every guest in tests/guests, under every engine."""

from __future__ import annotations

from pathlib import Path

import harness
import pytest
import realkernel
import releases
from known_gaps import KNOWN_GAPS

GUESTS = harness.guests()
CASES = [(path.stem, case) for path in GUESTS for case in harness.guest_cases(path)]

#: Cases that need more time than others, in seconds.
TIMEOUTS: dict[str, float] = {}

#: Cases that an engine cannot show, and why.
NOT_SHOWN: dict[str, str] = {
    f"umtx_priority.{case}@ptrace": "the supervisor is no real-time process, and waits for the guest that keeps the processor"
    for case in ("inherited", "inherited_on", "order", "ceiling", "ceilings_within")
}


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize(("guest", "case"), CASES, ids=[f"{guest}.{case}" for guest, case in CASES])


@pytest.fixture(autouse=True)
def known_gap(request):
    """Turns the cases of known_gaps.py into strict expected failures."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is None or "case" not in parameters.params:
        return
    label = f"{parameters.params['guest']}.{parameters.params['case']}"
    reason = KNOWN_GAPS.get(label) or KNOWN_GAPS.get(f"{label}@{parameters.params.get('lsf')}")
    if reason:
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=reason))


def run_case(lsf, guest: str, case: str, env: dict[str, str] | None = None, headers: list[Path] | None = None) -> None:
    """Run one case and judge its output."""
    label = f"{guest}.{case}"
    timeout = TIMEOUTS.get(label, harness.DEFAULT_TIMEOUT)
    flags = ("-DGUEST_RELEASE=15",) if headers else ()
    result = lsf(harness.compile_guest(guest, flags, headers=headers), case, timeout=timeout, env=env)
    lines = result.stdout.splitlines()
    if result.returncode == 0 and lines and lines[-1].startswith(f"elsewhere {guest}: "):
        return  # of another release, which test_guest_on_15 or test_guest runs
    if result.returncode == 0 and lines and lines[-1].startswith(f"skip {guest}: "):
        harness.not_covered(f"guest {label}", lines[-1].partition(": ")[2])
    if result.returncode != 0 or not lines or lines[-1] != f"ok {label}":
        said = realkernel.said_of(label)
        pytest.fail(f"{label} does not end with 'ok {label}'\nFreeBSD {said}\n{result.explain()}", pytrace=False)


def test_guest(lsf, guest, case):
    label = f"{guest}.{case}"
    if reason := NOT_SHOWN.get(f"{label}@{lsf.mode}"):
        harness.not_covered(f"guest {label}", reason)
    run_case(lsf, guest, case)


@pytest.mark.engines("sud")
def test_guest_on_15(lsf, guest, case):
    """The same as a program built for FreeBSD 15, on that release."""
    found, missing = releases.folders()
    if 15 not in found:
        harness.missing_tool("guests of FreeBSD 15", "; ".join(missing))
    run_case(lsf, guest, case, env={"LSF_OSRELEASE": "15.0"}, headers=found[15])


def test_who_was_built_for_15_finds_it(lsf):
    """Where nothing says which release it is to be."""
    found, missing = releases.folders()
    if 15 not in found:
        harness.missing_tool("guests of FreeBSD 15", "; ".join(missing))
    program = harness.compile_guest("fd_flags", ("-DGUEST_RELEASE=15",), headers=found[15])
    lsf(program, "clofork").check("ok fd_flags.clofork\n")


#: Cases that expect what the release says that they find.
BY_RELEASE = [
    ("releases", "priorities"), ("releases", "posix_version"), ("releases", "context_flags"), ("releases", "calls_of_a_release"),
    ("procdesc", "calls_of_15_1"), ("procdesc", "spawn_of_15_1"), ("procdesc", "shared_table_of_15_1"), ("fd_flags", "before_15"),
    ("releases", "tls_base"), ("releases", "thread_flags"), ("releases", "small_commands"),
    ("releases", "entries_of_a_file"), ("releases", "names_of_message_queues"),
    ("sysv", "shared_memory_in_place"), ("local_control", "receiver_asks"), ("local_control", "documented_size"),
    ("local_control", "refused"), ("local_names", "lengths"), ("local_names", "without_a_name"),
    ("local_records", "records"), ("local_records", "short_reads"), ("local_records", "short_reads_untold"),
    ("local_records", "records_at_once"), ("local_records", "without_end"),
    ("local_records", "record_with_descriptors"), ("local_records", "listener"), ("local_records", "unread"),
    ("local_records", "full_queue"), ("local_records", "longest"),
]  # fmt: skip


@pytest.mark.parametrize("release", ["13.5", "15.0", "15.1"])
@pytest.mark.parametrize(("guest", "name"), BY_RELEASE, ids=[".".join(case) for case in BY_RELEASE])
def test_guest_of_another_release(lsf, guest, name, release):
    """What differs between releases goes by the one that is shown."""
    run_case(lsf, guest, name, env={"LSF_OSRELEASE": release})


@pytest.mark.engines("sud-cli")
def test_guest_by_command(lsf):
    """The same under the `lsf` command with the sud engine: one case, since only the way in differs."""
    run_case(lsf, "start", "hello")


def test_known_gaps_name_cases():
    """A gap whose case is gone or misspelt would hide nothing and say nothing."""
    cases = {f"{guest}.{case}" for guest, case in CASES}
    unknown = {label for label in KNOWN_GAPS if label.partition("@")[0] not in cases}
    assert not unknown


@pytest.mark.parametrize("guest", [path.stem for path in GUESTS])
def test_guest_compiles(guest):
    """A guest is C without warnings, and a FreeBSD program."""
    program = harness.compile_guest(guest).read_bytes()
    elfosabi_freebsd = 9
    assert program[:4] == b"\x7fELF"
    assert program[7] == elfosabi_freebsd
