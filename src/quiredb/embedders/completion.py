"""From chunks as they arrive to chunks that can be written: ids made, vectors checked, missing vectors embedded."""

from collections.abc import Sequence

from quiredb.domain.chunk import Embedding
from quiredb.domain.commands import NewChunk
from quiredb.domain.drafts import ChunkDraft
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.identifiers import check_identifier, new_identifier
from quiredb.domain.library import Library
from quiredb.embedders.registry import EmbedderRegistry
from quiredb.engine.embeddings import are_sound, check_embedding


class Completion:
    """Completes drafts for a library. All of them or none: nothing is embedded before everything is checked."""

    def __init__(self, embedders: EmbedderRegistry) -> None:
        self._embedders = embedders

    def chunks(self, library: Library, drafts: Sequence[ChunkDraft], pointers: Sequence[str]) -> tuple[NewChunk, ...]:
        """The drafts, ready to be written; `pointers[i]` is where draft i stood in the request.

        A vector that the caller sent is used as it is. Raises `ValidationFailed` and `EmbeddingFailed`.
        """
        given = [draft.embedding for draft in drafts if draft.embedding is not None]
        sound = are_sound(given, library.dimension, library.metric)
        for draft, pointer in zip(drafts, pointers, strict=True):
            self._check(library, draft, pointer, sound=sound)
        missing = [draft.text for draft in drafts if draft.embedding is None]
        made = iter(
            self._embedders.get(library.embedder).embed_documents(missing) if library.embedder and missing else ()
        )
        return tuple(
            NewChunk(
                id=draft.id or new_identifier(),
                text=draft.text,
                embedding=self._made(library, next(made), pointer) if draft.embedding is None else draft.embedding,
                metadata=draft.metadata,
                position=draft.position,
            )
            for draft, pointer in zip(drafts, pointers, strict=True)
        )

    def query(self, library: Library, vector: Embedding | None, text: str | None, pointer: str) -> Embedding:
        """The vector to search with: the caller's, or the text's by the library's embedder."""
        if vector is not None:
            return check_embedding(vector, library.dimension, library.metric, f"{pointer}/vector")
        if library.embedder is None:
            raise ValidationFailed.at(
                f"{pointer}/text",
                "no-embedder",
                "This library has no embedder: search with a vector, or choose one for it.",
            )
        return self._made(library, self._embedders.get(library.embedder).embed_query(text or ""), pointer)

    def _made(self, library: Library, embedding: Embedding, pointer: str) -> Embedding:
        """The embedder's vector, held to the same rules as a caller's; what is wrong with it lies in the text."""
        return check_embedding(embedding, library.dimension, library.metric, f"{pointer}/text")

    def _check(self, library: Library, draft: ChunkDraft, pointer: str, *, sound: bool) -> None:
        """Check a draft, its embedding only when it is not known to be `sound`."""
        if draft.id is not None:
            check_identifier(draft.id, f"{pointer}/id")
        if draft.embedding is not None and sound:
            return
        if draft.embedding is not None:
            check_embedding(draft.embedding, library.dimension, library.metric, f"{pointer}/embedding")
        elif library.embedder is None:
            raise ValidationFailed.at(
                f"{pointer}/embedding",
                "embedding-missing",
                "This library has no embedder: send an embedding with each chunk.",
            )
        elif not draft.text.strip():
            raise ValidationFailed.at(
                f"{pointer}/text", "empty-text", "An empty text cannot be embedded: send a vector."
            )
