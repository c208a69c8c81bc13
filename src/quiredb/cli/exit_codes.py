"""What the exit code of `quire` says. docs/cli.md lists them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes; 78 is EX_CONFIG of sysexits.h, 130 is what a shell says of Ctrl-C."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    CANNOT_CONNECT = 4
    DAMAGED_DATA = 5
    CONFIGURATION = 78
    INTERRUPTED = 130
