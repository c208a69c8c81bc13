"""What a machine does to a server (a read-only disk, signals, no memory), and bugs that only that shows."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from quiredb.api.errors import Internal
from quiredb.api.middleware import internal_errors
from quiredb.domain.errors import QuireError, StorageFailed, WritesStopped
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.storage import database, files
from quiredb.storage.connections import ReadConnections, WriteConnection
from quiredb.storage.disk import LocalDisk
from quiredb.storage.health import DatabaseHealth
from reliability.switch import SWITCH_VARIABLE, Switch

_ALLOCATING = (
    "empty",
    "zeros",
    "ones",
    "full",
    "arange",
    "array",
    "concatenate",
    "stack",
    "repeat",
    "where",
    "argsort",
)
_vfs: list[apsw.VFS] = []
_interrupted: set[int] = set()


def read_only_by_switch() -> None:
    """A trouble: while the switch is on, whatever would change the disk fails as on one that is mounted read-only."""
    switch = Switch(os.environ[SWITCH_VARIABLE])
    apsw.unregister_vfs(database.VFS_NAME)
    _vfs.append(_ReadOnlyVfs(switch))
    database.load_checksums()
    files.DISK = _ReadOnlyDisk(switch)


def stop_writes_for_ever() -> None:
    """A write that failed once is refused until a restart, though nothing was flushed in vain."""
    honest = DatabaseHealth.watching

    @contextmanager
    def watching(self: DatabaseHealth) -> Iterator[None]:
        try:
            with honest(self):
                yield
        except StorageFailed as error:
            self.writes_stopped = self.writes_stopped or WritesStopped(error.detail)
            raise

    DatabaseHealth.watching = watching


def note_signals() -> None:
    """A trouble: SIGUSR1 interrupts what a thread waits for, and changes nothing else."""
    signal.signal(signal.SIGUSR1, lambda *_: _interrupted.add(threading.get_native_id()))


def give_up_when_interrupted() -> None:
    """A commit during which a signal came is reported as failed, though it is there."""
    honest = WriteConnection.transaction

    @contextmanager
    def transaction(self: WriteConnection) -> Iterator[Any]:
        _interrupted.clear()
        with honest(self) as connection:
            yield connection
        if _interrupted:
            raise StorageFailed(os.strerror(errno.EINTR))

    WriteConnection.transaction = transaction


def read_behind_writes() -> None:
    """Readers wait until the writer has flushed."""
    turn = threading.RLock()

    def behind(honest: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @contextmanager
        def in_turn(self: Any) -> Iterator[Any]:
            with turn, honest(self) as connection:
                yield connection

        return in_turn

    WriteConnection.transaction = behind(WriteConnection.transaction)
    ReadConnections.borrow = behind(ReadConnections.borrow)


def fail_allocation_by_switch() -> None:
    """A trouble: of the allocations of arrays the one whose number the switch says fails. Then the switch is 0."""
    ensure_compiled()
    switch = Switch(os.environ[SWITCH_VARIABLE])
    lock = threading.Lock()

    def counted(honest: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any, **named: Any) -> Any:
            if switch.value:
                with lock:
                    left = switch.value
                    switch.set(max(0, left - 1))
                if left == 1:
                    raise MemoryError
            return honest(*arguments, **named)

        return allocate

    for name in _ALLOCATING:
        setattr(np, name, counted(getattr(np, name)))


def call_no_memory_a_bug() -> None:
    """A request that finds no memory is answered as a bug."""

    def out_of_memory() -> QuireError:
        return Internal("The server met a bug.")

    internal_errors.out_of_memory = out_of_memory


class _ReadOnlyDisk(LocalDisk):
    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def create(self, path: Path) -> int:
        self._refuse(path)
        return super().create(path)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        self._refuse(None)
        return super().write(descriptor, content)

    def rename(self, source: Path, target: Path) -> None:
        self._refuse(target)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._refuse(path)
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self._refuse(path)
        super().make_folder(path)

    def remove_folder(self, path: Path) -> None:
        self._refuse(path)
        super().remove_folder(path)

    def _refuse(self, path: Path | None) -> None:
        if self._switch.value:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), None if path is None else str(path))


class _ReadOnlyVfs(apsw.VFS):
    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        super().__init__("read-only", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if self.switch.value and path is not None and not Path(path).exists():
            raise apsw.exception_for(apsw.SQLITE_CANTOPEN)
        return _ReadOnlyFile(self.switch, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's name)
        if self.switch.value:
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE)
        super().xDelete(filename, syncdir)


class _ReadOnlyFile(apsw.VFSFile):
    def __init__(self, switch: Switch, name: Any, flags: Any) -> None:
        self._switch = switch
        super().__init__("unix", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 (SQLite's name)
        if self._switch.value:
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's name)
        if self._switch.value:
            raise apsw.exception_for(apsw.SQLITE_IOERR_TRUNCATE)
        super().xTruncate(newsize)
