"""Runs `quire` with bugs planted: `python -m reliability.planted storage.skip_fsync -- serve --data DIR`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from multiprocessing import get_context
from typing import TypeVar

from quiredb.cli.main import main

CALL_SECONDS_MAX = 1_200.0
_Result = TypeVar("_Result")


def plant(bug: str) -> None:
    """Break the product in this process: `storage.skip_fsync` calls reliability/bugs/storage.py: skip_fsync."""
    module, _, name = bug.partition(".")
    getattr(import_module(f"reliability.bugs.{module}"), name)()


def call_with(bug: str, work: Callable[[], _Result]) -> _Result:
    """What `work` answers in a process of its own, in which the bug is planted and nothing is logged."""
    with get_context("spawn").Pool(1, _prepare, (bug,)) as pool:
        return pool.apply_async(work).get(CALL_SECONDS_MAX)


def _prepare(bug: str) -> None:
    logging.disable(logging.CRITICAL)
    plant(bug)


def run(arguments: Sequence[str]) -> int:
    """Plant the bugs named before `--`, then be `quire` with the arguments after it."""
    at = arguments.index("--")
    for bug in arguments[:at]:
        plant(bug)
    return main(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
