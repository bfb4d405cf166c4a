"""What an engine is told when a container cannot be made."""

import os


class OciError(Exception):
    """The container cannot be made or entered; the text is one sentence for a person."""


def report(text: str, log: str, form: str) -> None:
    """Say what is wrong where engines look for it: on standard error, and in the file of --log in the --log-format, as runc does."""
    try:
        os.write(2, os.fsencode(f"lsf-oci: {text}\n"))
    except OSError:
        pass
    if not log:
        return
    import time

    from lsf.oci.document import dump

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    quoted = dump(f"lsf-oci: {text}")
    line = (
        f'{{"level":"error","msg":{quoted},"time":"{now}"}}\n'
        if form == "json"
        else f'time="{now}" level=error msg={quoted}\n'
    )
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.write(fd, line.encode())
        os.close(fd)
    except OSError:
        pass  # it is on standard error
