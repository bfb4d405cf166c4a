"""What a start that fails says, and the status that it ends with."""

import os

STATUS_FAILED = 125
STATUS_NOT_RUNNABLE = 126
STATUS_NOT_FOUND = 127


class LaunchError(Exception):
    """The program was not started. `status` is the exit status that says so."""

    def __init__(self, message: str, status: int = STATUS_FAILED) -> None:
        super().__init__(message)
        self.status = status


def say(text: str) -> None:
    """One line on standard error, if that takes one."""
    try:
        os.write(2, os.fsencode(f"lsf: {text}\n"))
    except OSError:
        pass
