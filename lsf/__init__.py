"""LSF, the Linux Subsystem for FreeBSD.

`lsf.run` and `lsf.Popen` start FreeBSD programs in the manner of `subprocess`, `lsf.trace` shows what one does (docs/user/python.md).
They are loaded when they are first used: every start of the `lsf` command imports this module.
"""

__version__ = "0.1.0"

_PUBLIC = {
    "Popen": "process", "Trace": "tracing", "TraceError": "tracing", "TraceEvent": "events", "command": "process",
    "run": "process", "trace": "tracing",
}  # fmt: skip


def __getattr__(name):
    if name in _PUBLIC or name == "events":
        import importlib

        module = importlib.import_module(f"lsf.api.{_PUBLIC.get(name, name)}")
        return module if name == "events" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PUBLIC, "events"})
