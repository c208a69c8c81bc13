"""Runs `quire` with bugs planted: `python -m reliability.planted storage.skip_fsync -- serve --data DIR`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from quiredb.cli.main import main


def plant(bug: str) -> None:
    """Break the product in this process: `storage.skip_fsync` calls reliability/bugs/storage.py: skip_fsync."""
    module, _, name = bug.partition(".")
    getattr(import_module(f"reliability.bugs.{module}"), name)()


def run(arguments: Sequence[str]) -> int:
    """Plant the bugs named before `--`, then be `quire` with the arguments after it."""
    at = arguments.index("--")
    for bug in arguments[:at]:
        plant(bug)
    return main(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
