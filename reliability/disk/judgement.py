"""Is everything there? A data folder is opened by the product and compared with the truth, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import numpy as np

from quiredb.domain.errors import QuireError
from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.filters import Condition, Filter, Operator
from quiredb.engine.searching import Nearest
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage.check import check_folder
from quiredb.storage.findings import Severity
from reliability.disk.workload import DIMENSION, Contents, Row, Truth, Write

UNCLEAN = (
    QuireError,
    apsw.Error,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a damaged folder may make the product raise."""
EXTRA = {"after-recovery": Row("document-after", "delta", np.arange(DIMENSION, dtype="<f4").tobytes(), 3)}


def judge(folder: Path, allowed: Sequence[Truth]) -> list[str]:
    """Open the folder as a start would; everything that is not as one of the allowed truths says."""
    try:
        repository = LibraryRepository.open(folder)
    except UNCLEAN as error:
        return [f"the folder cannot be opened: {error}"]
    try:
        found = judge_open(repository, allowed)
        found += [] if found else _judge_writing(repository)
    finally:
        repository.close()
    errors = [one for one in check_folder(folder) if one.severity is Severity.ERROR]
    return found + [f"check: {one.where}: {one.what}" for one in errors]


def judge_open(repository: LibraryRepository, allowed: Sequence[Truth]) -> list[str]:
    """The same of what is open."""
    closed = [f"library {name} cannot be opened: {error.detail}" for name, error in repository.damaged.items()]
    if closed:
        return closed
    try:
        truth = stored_truth(repository)
        if truth not in allowed:
            return [f"what is there is none of {len(allowed)} allowed states: {_difference(truth, allowed[0])}"]
        return [line for library in repository.all() for line in _judge_answers(library, truth[library.id])]
    except UNCLEAN as error:
        return [f"reading failed: {error}"]


def stored_truth(repository: LibraryRepository) -> Truth:
    """What the records of all libraries hold."""
    return {library.id: _stored(library) for library in repository.all()}


def _stored(library: OpenLibrary) -> Contents:
    """What the record holds."""
    position = library.view().position
    chunks = [row.chunk for batch in library.store.live_chunk_rows(0, None, position) for row in batch]
    rows = {
        chunk.id: Row(chunk.document_id, chunk.text, chunk.embedding or b"", chunk.metadata.page or 0)
        for chunk in chunks
    }
    documents = {row.document.id for batch in library.store.live_document_rows(position) for row in batch}
    return Contents(rows, frozenset(documents))


def _judge_answers(library: OpenLibrary, contents: Contents) -> list[str]:
    """Counts, filters and searches against a recomputation from the record."""
    facts = library.view().library
    if (facts.chunk_count, facts.document_count) != (len(contents.rows), len(contents.documents)):
        return [f"{library.id}: counts are {facts.chunk_count}, {facts.document_count}"]
    by_page = Condition(Field(Scope.CHUNK, "page"), Operator.GTE, 5)
    by_word = Condition(Field(Scope.CHUNK, "text"), Operator.CONTAINS, "alpha")
    wrong: list[str] = []
    for what, filter_, keep in (
        ("all", None, lambda _: True),
        ("page", by_page, lambda row: row.page >= 5),
        ("word", by_word, lambda row: "alpha" in row.text),
    ):
        expected = _ranked({name: row for name, row in contents.rows.items() if keep(row)})
        for exact in (True, False):
            if (found := _search(library, filter_, len(contents.rows) + 1, exact=exact)) != expected:
                wrong.append(f"{library.id}: search ({what}, exact {exact}) finds {found[:5]} for {expected[:5]}")
    return wrong


def _ranked(rows: dict[str, Row]) -> list[str]:
    names = sorted(rows)
    vectors = np.array([np.frombuffer(rows[name].embedding, "<f4") for name in names], np.float64)
    distances = ((vectors.reshape(-1, DIMENSION) - _query().astype(np.float64)) ** 2).sum(axis=1)
    return [names[place] for place in np.argsort(distances, kind="stable")]


def _search(library: OpenLibrary, filter_: Filter | None, k: int, *, exact: bool) -> list[str]:
    ranking = library.search(library.view(), Nearest(_query(), k, exact=exact), filter_)
    found = library.store.chunks_by_row(ranking.found.rows)
    return [found[row].id for row in ranking.found.rows]


def _query() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.linspace(-1, 1, DIMENSION, dtype=np.float32)


def _judge_writing(repository: LibraryRepository) -> list[str]:
    """After recovery the libraries take writes again, and show them."""
    wrong: list[str] = []
    for library in repository.all():
        try:
            library.submit(Write(library.id, EXTRA).command())
        except UNCLEAN as error:
            wrong.append(f"{library.id}: a write after recovery fails: {error}")
            continue
        if _stored(library).rows.get("after-recovery") != EXTRA["after-recovery"]:
            wrong.append(f"{library.id}: a write after recovery is not there")
    return wrong


def _difference(found: Truth, expected: Truth) -> str:
    for name in sorted({*found, *expected}):
        if name not in found or name not in expected:
            return f"library {name} is {'there' if name in found else 'missing'}"
        missing = sorted(expected[name].rows.keys() - found[name].rows.keys())
        extra = sorted(found[name].rows.keys() - expected[name].rows.keys())
        changed = [one for one, row in found[name].rows.items() if expected[name].rows.get(one, row) != row]
        if missing or extra or changed or found[name].documents != expected[name].documents:
            return f"library {name}: missing {missing[:3]}, extra {extra[:3]}, changed {changed[:3]}"
    return "nothing"
