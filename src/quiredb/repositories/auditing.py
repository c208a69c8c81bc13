"""The background audit: repeat recorded searches exactly, and measure segments again when a promise is not kept."""

import logging
from collections.abc import Callable

from quiredb.domain.times import now
from quiredb.engine.building import measured_with
from quiredb.engine.recall import compare
from quiredb.repositories.open_library import OpenLibrary

_log = logging.getLogger(__name__)


def audit_next(library: OpenLibrary) -> None:
    """Run the search that has waited longest as it would run now, and exactly, and judge it."""
    search = library.auditor.next()
    if search is None:
        return
    compared = compare(library.view(), search.nearest, search.filter, library.texts)
    if compared.share is not None:
        library.auditor.judged(search, compared.share, now())


def keep_promises(library: OpenLibrary, cancelled: Callable[[], bool]) -> None:
    """Measure all segments again with the recorded queries if these find less than was promised.

    Raises `JobCancelled`. The thread that merges segments calls this, so they do not go meanwhile.
    """
    queries = library.auditor.broken_for()
    if queries is None:
        return
    _log.warning("library %s: searches find less than they asked for; measuring with recorded queries", library.id)
    for part in library.view().segments:
        measured = measured_with(part.segment, queries, cancelled)
        if measured is not part.segment:
            library.serve_instead(part.segment.name, measured)
    library.auditor.remeasured(queries, now())
