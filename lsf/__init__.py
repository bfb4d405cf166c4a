"""LSF, the Linux Subsystem for FreeBSD.

`lsf.run` and `lsf.Popen` start FreeBSD programs in the manner of `subprocess`, `lsf.trace` shows what one does (docs/user/python.md).
They are loaded when they are first used: every start of the `lsf` command imports this module.
"""

_PUBLIC = {"Popen": "process", "TraceError": "tracing", "command": "process", "run": "process", "trace": "tracing"}


def __getattr__(name):
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(f"lsf.api.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PUBLIC})
