"""When a data folder was last backed up, in a small file of its own: not in a backup, and nothing depends on it."""

from datetime import datetime
from pathlib import Path

import orjson

from quiredb.domain.errors import StorageFailed
from quiredb.domain.times import format_instant, parse_instant
from quiredb.storage.files import read_record, write_file

NOTE_NAME = "last-backup.json"


def note_backup(data: Path, at: datetime) -> None:
    """Remember that a backup of all libraries, begun at this instant, was taken to its end."""
    write_file(data / NOTE_NAME, [orjson.dumps({"at": format_instant(at)})])


def last_backup(data: Path) -> datetime | None:
    """When the newest complete backup was begun; None when there was none, or nobody can tell."""
    try:
        return parse_instant(orjson.loads(read_record(data / NOTE_NAME))["at"])
    except (StorageFailed, orjson.JSONDecodeError, KeyError, TypeError):
        return None
