"""FreeBSD programs from Python: run (process.py), watched and changed (tracing.py, events.py), their arguments decoded (values.py)."""
