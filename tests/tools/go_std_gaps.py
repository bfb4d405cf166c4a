"""Tests of Go's standard library that fail under LSF: the one list, which only shrinks.

Package -> {test: reason}. A test that passes is taken off the list: the suite fails until it is. A reason that begins
with SOMETIMES is for one that fails only on some machines or now and then.
"""

SOMETIMES = "sometimes: "

_PROC = (
    "where /proc is Linux's, as it is without a root, the program reads its mappings there; FreeBSD has no such file"
)
_NOHUP = f"{SOMETIMES}runs nohup, a Linux program, which then executes a FreeBSD one: that needs binfmt_misc"

GAPS: dict[str, dict[str, str]] = {
    "os/signal": {"TestDetectNohup": _NOHUP, "TestNohup": _NOHUP},
    "runtime": {
        "TestUsingVDSO": "no AT_TIMEKEEP: the time is a syscall, and not read from a page that the kernel shares"
    },
    "runtime/pprof": {"TestConvertCPUProfile": _PROC, "TestConvertMemProfile": _PROC},
}
