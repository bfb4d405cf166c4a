"""LSF, the Linux Subsystem for FreeBSD.

`lsf.run` and `lsf.Popen` start FreeBSD programs in the manner of `subprocess` (docs/python.md). They are loaded when they are
first used: every start of the `lsf` command imports this module.
"""

_PUBLIC = ("Popen", "command", "run")


def __getattr__(name):
    if name in _PUBLIC:
        from lsf import process

        return getattr(process, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PUBLIC})
