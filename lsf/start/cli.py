"""The `lsf` command: runs a FreeBSD program.

    lsf [options] [--] PROGRAM [ARG...]

This is the way of every start, so it imports nothing that costs (tests/start/test_cli.py keeps the list); the help text is a
module of its own.
"""

import os
import sys

from lsf.start import launch
from lsf.start.errors import STATUS_FAILED, LaunchError, say
from lsf.start.options import (
    ENGINES,
    VIEWS,
    Options,
    UsageError,
    check_twins,
    guest_environment,
    name_twin,
    options_from_environment,
    scan,
)


def _restore_signals() -> None:
    """Python ignores these two for itself, and an ignored signal stays so over exec."""
    import _signal

    for name in ("SIGPIPE", "SIGXFSZ"):
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)


def run(arguments: list[str]) -> int:
    """Do what a command line says. Returns the exit status; a program that is started never does."""
    twins: dict[str, tuple[str, str]] = {}
    try:
        options = Options()
        env = guest_environment(os.environ)
        twins = options_from_environment(os.environ, options, env)
        program, rest = scan(arguments, options, env)
        if program is None:
            from lsf.start import usage

            return usage.show(usage.HELP if rest == ["--help"] else usage.version())
        check_twins(twins, options)
        if options.engine not in ENGINES:
            raise UsageError(f"--engine {options.engine}: not one of {', '.join(ENGINES)}")
        if options.view not in VIEWS:
            raise UsageError(f"--view {options.view}: not one of {', '.join(VIEWS)}")
        launch.launch(options, program, rest, env, _restore_signals)
        raise AssertionError("not reached")
    except LaunchError as error:
        say(name_twin(str(error), twins))
        return error.status
    except KeyboardInterrupt:
        # The guest has not begun: end as it would have.
        import _signal

        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGINT)
        return STATUS_FAILED


def main() -> int:
    """The `lsf` command."""
    return run(sys.argv[1:])


def main_go() -> int:
    """The `go_freebsd_amd64_exec` command, which `go test` and `go run` call with a program and its arguments."""
    return run(["--", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
