"""The write path: the only place where a command gets a position.

Callers that arrive while a commit is running wait for the writer's role; the first to get it commits everything that is
pending in one transaction with one fsync, and answers all. There is no writer thread and no queue to drain at shutdown.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from quiredb.domain.changes import Change
from quiredb.domain.commands import Command, Receipt
from quiredb.domain.errors import QuireError, Unavailable
from quiredb.repositories.writer_role import WriterRole
from quiredb.storage.library_store import Applied

_GROUP_COMMANDS_MAX = 64


@dataclass(slots=True, eq=False)
class _Pending:
    """A command and, once its group was committed, what came of it."""

    command: Command
    result: Applied | QuireError | None = None
    done: bool = field(default=False)


class CommitQueue:
    """Group commit for one library.

    `write` makes commands durable (store), `apply` shows them to readers (engine). Both run under `writer`, the lock
    that whoever changes the library's state must hold.
    """

    def __init__(
        self,
        writer: WriterRole,
        write: Callable[[Sequence[Command]], list[Applied | QuireError]],
        apply: Callable[[Sequence[Change]], None],
    ) -> None:
        self._writer = writer
        self._write = write
        self._apply = apply
        self._pending: list[_Pending] = []
        self._pending_lock = threading.Lock()

    def submit(self, command: Command) -> Receipt:
        """Make the command durable and apply it; return when readers can see it. Raises what judging it raises."""
        mine = _Pending(command)
        with self._pending_lock:
            self._pending.append(mine)
        try:
            with self._writer:
                while not mine.done and (group := self._take()):
                    self._commit(group)
        finally:
            if not mine.done:
                self._withdraw(mine)
        if isinstance(mine.result, Applied):
            return mine.result.receipt
        raise mine.result or Unavailable("The commit was interrupted; it is not known whether it took place.")

    def _take(self) -> list[_Pending]:
        with self._pending_lock:
            group, self._pending = self._pending[:_GROUP_COMMANDS_MAX], self._pending[_GROUP_COMMANDS_MAX:]
        return group

    def _withdraw(self, mine: _Pending) -> None:
        """Nobody shall commit later what its caller was told has failed."""
        with self._pending_lock:
            self._pending = [pending for pending in self._pending if pending is not mine]

    def _commit(self, group: list[_Pending]) -> None:
        try:
            results = self._results([pending.command for pending in group])
            for pending, result in zip(group, results, strict=True):
                pending.result = result
        finally:
            for pending in group:
                pending.done = True

    def _results(self, commands: Sequence[Command]) -> Sequence[Applied | QuireError]:
        """What came of each command; where the commit itself fails, its error for all."""
        try:
            results = self._write(commands)
        except QuireError as error:
            return [error for _ in commands]
        self._apply([result.change for result in results if isinstance(result, Applied) and result.change])
        return results
