"""Backups of an open folder under load, held against a dict of what was written up to their position."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quiredb.domain.commands import DeleteChunk
from quiredb.domain.errors import QuireError
from quiredb.domain.indexing import JobState
from quiredb.domain.library import IndexKind
from quiredb.repositories.backup import Backups
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.check import Severity, check_folder
from reliability.archives.samples import Contents, applied, batch, creation, library_contents, put
from reliability.findings import Findings

_CHUNKS = 400


def try_under_load(root: Path, count: int, seed: int, found: Findings) -> None:
    """Backups while commits, builds and checkpoints go on."""
    backups = BackupFolder.open_or_make(root / "backups")
    repository = LibraryRepository.open(root / "data")
    repository.start()
    try:
        library, _ = repository.create(creation("library", IndexKind.FLAT))
        states: dict[int, Contents] = {0: {}}
        with _written(repository, library, states, seed):
            for _ in range(count):
                parts = Backups(repository, "rig").parts(backups.known_blocks())
                backups.take(parts, lambda _: None)
                found.counts["backups under load"] += 1
        found.counts["commits meanwhile"] += len(states) - 1
    finally:
        repository.close()
    for number, backup in enumerate(backups.backups()):
        _compare(backups, backup, root / f"again-{number}", states, found)
        shutil.rmtree(root / f"again-{number}", ignore_errors=True)


@contextmanager
def _written(
    repository: LibraryRepository, library: OpenLibrary, states: dict[int, Contents], seed: int
) -> Iterator[None]:
    over = threading.Event()
    chance = random.Random(seed)

    def write() -> None:
        contents: Contents = {}
        revision = 0
        while not over.is_set():
            revision += 1
            numbers = chance.sample(range(_CHUNKS), 8)
            operations = [
                DeleteChunk(f"chunk-{number:05d}", missing_ok=True) if chance.random() < 0.3 else put(number, revision)
                for number in numbers
            ]
            contents = applied(contents, operations)
            states[library.submit(batch(*operations)).position] = contents

    def build() -> None:
        while not over.is_set():
            job = repository.housekeeping.rebuild(library)
            while repository.jobs.get(job.id).state in {JobState.QUEUED, JobState.RUNNING} and not over.is_set():
                time.sleep(0.002)
            with library.exclusively():
                library.store.checkpoint()

    threads = [threading.Thread(target=work) for work in (write, build)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _compare(
    backups: BackupFolder, backup: StoredBackup, target: Path, states: dict[int, Contents], found: Findings
) -> None:
    try:
        libraries = restore_backup(backups, backup, target, lambda _: None)
        if len(libraries) != 1:
            found.violation(f"the backup {backup.id} holds {len(libraries)} libraries, not the one there is")
            return
        (library,) = libraries
        held = library_contents(target / "libraries" / library.key)
    except (QuireError, AssertionError) as error:
        found.violation(f"the backup {backup.id} does not restore: {error}")
        return
    if held != states[library.position]:
        found.violation(f"the backup {backup.id} is not what was written up to position {library.position}")
    for finding in check_folder(target):
        if finding.severity is Severity.ERROR:
            found.violation(f"the backup {backup.id}, restored: {finding}")
    found.counts["backups restored"] += 1
