"""Library folders that the catalogue does not list: remnants to remove, or libraries that lost their entry?"""

from collections.abc import Callable
from pathlib import Path

from quiredb.domain.errors import StorageFailed
from quiredb.storage.database import database_errors, leave_log, open_with_its_log
from quiredb.storage.files import is_file
from quiredb.storage.library_store import DATABASE_NAME
from quiredb.storage.state import load_state


def is_remnant(folder: Path, first_position: Callable[[str], int]) -> bool:
    """Whether nothing is lost with the folder: it was never finished, holds nothing, or its library was deleted.

    first_position: where a new library of an id would begin, which is behind the last position of a deleted one. A
    folder that cannot be read, or whose library nobody deleted, is none: it is the catalogue that is too old.
    """
    path = folder / DATABASE_NAME
    if not is_file(path):
        return True
    try:
        connection = open_with_its_log(path)
        leave_log(connection)
        try:
            with database_errors(path):
                library = load_state(connection).library
        finally:
            connection.close()
    except StorageFailed:
        return False
    return library.document_count == 0 or first_position(library.id) > library.position
