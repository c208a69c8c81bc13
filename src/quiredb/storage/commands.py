"""Applying commands: what each operation means, judged by the state at its position.

Deterministic: the same commands applied to the same state give the same state, outcomes and refusals on every node.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import apsw

from quiredb.domain.changes import Change
from quiredb.domain.chunk import EMBEDDING_COMPONENT_BYTES, Chunk
from quiredb.domain.commands import (
    Command,
    ConfigureLibrary,
    DeleteChunk,
    DeleteDocument,
    DeleteUnchanged,
    Expectation,
    NewChunk,
    Operation,
    Outcome,
    PutChunk,
    PutDocument,
    Receipt,
    WriteBatch,
)
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed, ValidationFailed
from quiredb.domain.limits import CHUNK_POSITION_MAX, CHUNKS_PER_DOCUMENT_MAX
from quiredb.domain.metadata import DocumentMetadata
from quiredb.storage.idempotency import keep_receipt, recall_receipt
from quiredb.storage.rows import write_staged
from quiredb.storage.staging import StagedChunk, StagedDocument, Staging
from quiredb.storage.state import LibraryState


@dataclass(frozen=True, slots=True)
class Applied:
    """A command that succeeded. `change` is None when an idempotency key brought back an earlier answer."""

    receipt: Receipt
    change: Change | None


def apply_command(connection: apsw.Connection, state: LibraryState, command: Command) -> tuple[LibraryState, Applied]:
    """Apply one command inside the caller's transaction; returns the state after it.

    A `QuireError` means that it was refused and wrote nothing.
    """
    if isinstance(command, ConfigureLibrary):
        return _configure(state, command)
    if command.idempotency is not None:
        earlier = recall_receipt(connection, command.idempotency, command.at)
        if earlier is not None:
            return state, Applied(earlier, None)
    staging = Staging(connection, state, command.at)
    staging.load(_document_ids(command), _chunk_ids(command))
    outcomes = tuple(_operate(staging, operation) for operation in command.operations)
    after, change = write_staged(connection, staging)
    receipt = Receipt(change.position, change.library, outcomes)
    if command.idempotency is not None:
        keep_receipt(connection, command.idempotency, command.at, receipt)
    return after, Applied(receipt, change)


def _configure(state: LibraryState, command: ConfigureLibrary) -> tuple[LibraryState, Applied]:
    before = state.library
    _expect(command.expected, before.version, "library", before.id)
    position = before.position + 1
    library = replace(
        before,
        metadata=command.metadata,
        index=command.index,
        embedder=command.embedder,
        position=position,
        version=position,
        updated_at=command.at,
    )
    return replace(state, library=library), Applied(Receipt(position, library), Change(position, library))


def _document_ids(batch: WriteBatch) -> Iterator[str]:
    for operation in batch.operations:
        match operation:
            case PutDocument() | DeleteDocument():
                yield operation.id
            case PutChunk():
                yield operation.document_id
            case _:
                continue


def _chunk_ids(batch: WriteBatch) -> Iterator[str]:
    for operation in batch.operations:
        match operation:
            case PutDocument():
                yield from (chunk.id for chunk in operation.chunks or ())
            case PutChunk():
                yield operation.chunk.id
            case DeleteChunk():
                yield operation.id
            case DeleteUnchanged():
                yield from (chunk_id for chunk_id, _ in operation.chunks)
            case _:
                continue


def _operate(staging: Staging, operation: Operation) -> Outcome:
    match operation:
        case PutDocument():
            return _put_document(staging, operation)
        case DeleteDocument():
            return _delete_document(staging, operation)
        case PutChunk():
            return _put_chunk(staging, operation)
        case DeleteChunk():
            return _delete_chunk(staging, operation)
        case DeleteUnchanged():
            return _delete_unchanged(staging, operation)


def _put_document(staging: Staging, operation: PutDocument) -> Outcome:
    document = staging.documents.get(operation.id)
    created = document is None
    _expect(operation.expected, None if document is None else document.version, "document", operation.id)
    if document is None:
        document = staging.add_document(operation.id, operation.metadata)
    else:
        document.metadata = operation.metadata
        staging.touch(document)
    removed = 0 if operation.chunks is None else _replace_chunks(staging, document, operation.chunks)
    return Outcome(created=created, resource=document.as_document(), removed=removed)


def _replace_chunks(staging: Staging, document: StagedDocument, chunks: tuple[NewChunk, ...]) -> int:
    """Let the document have these chunks and no others; returns how many went away.

    Positions not given follow the order of the list, whatever the positions were before.
    """
    _check_distinct(chunks)
    old = {chunk.id: chunk for chunk in staging.load_chunks_of(document)}
    for index, chunk in enumerate(chunks):
        _check_embedding(staging, chunk, f"/chunks/{index}/embedding")
        _check_owner(staging.chunks.get(chunk.id), document.id)
    for previous in old.values():
        staging.remove_chunk(previous)
    for chunk in chunks:
        place = _next_place(staging, document) if chunk.position is None else chunk.position
        _write_chunk(staging, document, chunk, place, old.get(chunk.id))
    kept = sum(chunk.id in old for chunk in chunks)
    return len(old) - kept


def _check_distinct(chunks: tuple[NewChunk, ...]) -> None:
    first: dict[str, int] = {}
    for index, chunk in enumerate(chunks):
        if first.setdefault(chunk.id, index) != index:
            raise ValidationFailed.at(
                f"/chunks/{index}/id", "duplicate-id", f"The chunk at index {first[chunk.id]} has the same id."
            )


def _delete_document(staging: Staging, operation: DeleteDocument) -> Outcome:
    document = staging.documents.get(operation.id)
    _expect(operation.expected, None if document is None else document.version, "document", operation.id)
    if document is None:
        raise NotFound("document", operation.id)
    return Outcome(created=False, resource=None, removed=staging.remove_document(document))


def _put_chunk(staging: Staging, operation: PutChunk) -> Outcome:
    new = operation.chunk
    document = staging.documents.get(operation.document_id)
    if document is None and not operation.create_document:
        raise NotFound("document", operation.document_id)
    existing = staging.chunks.get(new.id)
    _check_owner(existing, operation.document_id)
    _expect(operation.expected, None if existing is None else existing.version, "chunk", new.id)
    _check_embedding(staging, new, "/embedding")
    if document is None:
        document = staging.add_document(operation.document_id, DocumentMetadata())
    if new.position is not None:
        place = new.position
    else:
        place = existing.place if existing is not None else _next_place(staging, document)
    written = _write_chunk(staging, document, new, place, existing)
    return Outcome(created=existing is None, resource=_without_embedding(written))


def _delete_chunk(staging: Staging, operation: DeleteChunk) -> Outcome:
    chunk = staging.chunks.get(operation.id)
    if chunk is not None and operation.document_id not in {None, chunk.document.id}:
        chunk = None
    _expect(operation.expected, None if chunk is None else chunk.version, "chunk", operation.id)
    if chunk is not None:
        staging.remove_chunk(chunk)
        return Outcome(created=False, resource=None, removed=1)
    if operation.missing_ok:
        return Outcome(created=False, resource=None)
    raise NotFound("chunk", operation.id)


def _delete_unchanged(staging: Staging, operation: DeleteUnchanged) -> Outcome:
    removed = 0
    for chunk_id, version in operation.chunks:
        chunk = staging.chunks.get(chunk_id)
        if chunk is not None and chunk.version == version:
            staging.remove_chunk(chunk)
            removed += 1
    return Outcome(created=False, resource=None, removed=removed)


def _write_chunk(
    staging: Staging, document: StagedDocument, new: NewChunk, place: int, previous: StagedChunk | None
) -> Chunk:
    if new.id not in document.places and document.chunk_count >= CHUNKS_PER_DOCUMENT_MAX:
        raise Conflict(f"The document {document.id!r} has {CHUNKS_PER_DOCUMENT_MAX} chunks, as many as it can hold.")
    chunk = Chunk(
        id=new.id,
        document_id=document.id,
        position=place,
        text=new.text,
        metadata=new.metadata,
        version=staging.position,
        created_at=staging.at if previous is None else previous.created_at,
        updated_at=staging.at,
        embedding=new.embedding,
    )
    staging.add_chunk(chunk, document)
    return chunk


def _without_embedding(chunk: Chunk) -> Chunk:
    """As `dataclasses.replace` would, in a fifth of its time: bulk writes spend much of theirs here."""
    return Chunk(
        chunk.id,
        chunk.document_id,
        chunk.position,
        chunk.text,
        chunk.metadata,
        chunk.version,
        chunk.created_at,
        chunk.updated_at,
    )


def _next_place(staging: Staging, document: StagedDocument) -> int:
    place = staging.last_place(document) + 1
    if place > CHUNK_POSITION_MAX:
        raise Conflict(f"The last chunk of the document {document.id!r} is at the last position; give a position.")
    return place


def _check_owner(existing: StagedChunk | None, document_id: str) -> None:
    if existing is not None and existing.document.id != document_id:
        raise Conflict(
            f"The chunk {existing.id!r} is in the document {existing.document.id!r}; delete it or use another id."
        )


def _check_embedding(staging: Staging, chunk: NewChunk, pointer: str) -> None:
    dimension = staging.state.library.dimension
    if len(chunk.embedding) != dimension * EMBEDDING_COMPONENT_BYTES:
        raise ValidationFailed.at(pointer, "dimension", f"The embedding must have {dimension} dimensions.")


def _expect(expected: Expectation, version: int | None, kind: str, identifier: str) -> None:
    """Judge a precondition; `version` is None when the target does not exist."""
    if expected.absent and version is not None:
        raise PreconditionFailed(f"The {kind} {identifier!r} exists already, at version {version}.")
    if expected.version is None or expected.version == version:
        return
    if version is None:
        raise PreconditionFailed(f"The {kind} {identifier!r} does not exist; version {expected.version} was expected.")
    raise PreconditionFailed(
        f"The {kind} {identifier!r} is at version {version}, not {expected.version}; read it again."
    )
