"""A bar for long work, on a terminal only; it goes to stderr, so that stdout stays what was asked for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Advance(Protocol):
    """Tells a bar how much is done, and of how much when that changes."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """`done` of `total`; None keeps the total."""


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Advance]:
    """Gives a function that is told how much of `total` is done; an unknown total shows that work goes on."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(description, total=total)

        def advance_to(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance_to


def summed(advance_to: Advance) -> Callable[[int], None]:
    """Gives a function that is told how much more is done."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        advance_to(done)

    return told


@contextmanager
def current_step(description: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that is told what is done now, for work whose length nobody knows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _step: None
        return
    with console.status(description) as status:
        yield lambda step: status.update(f"{description}: {escape(step)}")
