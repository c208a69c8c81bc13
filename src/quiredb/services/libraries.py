"""Libraries: make, configure, describe, remove."""

from collections.abc import Callable
from dataclasses import replace

from quiredb.domain.commands import ANY_STATE, ConfigureLibrary, CreateLibrary, Expectation, IdempotencyToken
from quiredb.domain.drafts import EmbedderChoice, LibraryDraft, LibrarySettings
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed, ValidationFailed
from quiredb.domain.identifiers import check_identifier, new_identifier
from quiredb.domain.indexing import LibraryStats
from quiredb.domain.library import EmbedderSpec, Library
from quiredb.domain.limits import DIMENSION_MAX
from quiredb.domain.retrying import exactly, retry_unless_expected
from quiredb.domain.times import now
from quiredb.embedders.registry import EmbedderRegistry
from quiredb.engine.index_choice import check_index_spec
from quiredb.repositories.index_state import describe_library
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary


class LibraryService:
    """Use cases on whole libraries."""

    def __init__(self, repository: LibraryRepository, embedders: EmbedderRegistry) -> None:
        self._repository = repository
        self._embedders = embedders

    def list(self, after: str | None, limit: int, sees: Callable[[str], bool]) -> tuple[Library, ...]:
        """At most `limit` libraries with ids greater than `after` that the caller `sees`, by id."""
        libraries = (one.view().library for one in self._repository.all() if sees(one.id))
        return tuple(library for library in libraries if after is None or library.id > after)[:limit]

    def get(self, library_id: str) -> Library:
        """One library."""
        return self._repository.get(library_id).view().library

    def wait_for_position(self, library_id: str, position: int, seconds: float) -> None:
        """Return once the library is at `position`; `ReplicaBehind` after `seconds`."""
        self._repository.get(library_id).wait_for(position, seconds)

    def create(self, draft: LibraryDraft, idempotency: IdempotencyToken | None = None) -> tuple[Library, bool]:
        """Make a library; a taken id is a `Conflict`. Answers (library as it was made, whether that was before)."""
        command = self._creation(draft, idempotency)
        try:
            library, new = self._repository.create(command)
        except PreconditionFailed as error:
            raise Conflict(f"{error.detail} Use PUT to replace its settings.") from error
        return _as_made(library.view().library, command), not new

    def put(self, library_id: str, draft: LibraryDraft, expected: Expectation = ANY_STATE) -> tuple[Library, bool]:
        """Create the library, or replace its settings. Answers (library, whether it is new)."""
        check_identifier(library_id, "/id")
        if draft.id not in {None, library_id}:
            raise ValidationFailed.at("/id", "id-mismatch", "The id in the body is not the one in the path.")
        existing = self._existing(library_id)
        if existing is None:
            command = self._creation(draft, None, library_id)
            return self._repository.create(command, expected)[0].view().library, True
        if expected.absent:
            raise PreconditionFailed(f"The library {library_id!r} exists already.")
        library = existing.view().library
        if draft.dimension not in {None, library.dimension} or draft.metric is not library.metric:
            raise Conflict(
                f"The library has dimension {library.dimension} and metric {library.metric}, which cannot be changed. "
                "Make another library and import into it."
            )
        settings = LibrarySettings(draft.metadata, draft.index, draft.embedder)
        return self._configure(existing, settings, expected), False

    def patch(
        self, library_id: str, edit: Callable[[Library], LibrarySettings], expected: Expectation = ANY_STATE
    ) -> Library:
        """Change settings from what they are. Retried when somebody else changed them in between."""
        library = self._repository.get(library_id)

        def attempt() -> Library:
            current = library.view().library
            return self._configure(library, edit(current), exactly(expected, current.version))

        return retry_unless_expected(expected, attempt)

    def delete(self, library_id: str, expected: Expectation = ANY_STATE) -> None:
        """Remove a library with everything in it."""
        self._repository.delete(library_id, expected)

    def stats(self, library_id: str) -> LibraryStats:
        """Counts, bytes and index state."""
        library = self._repository.get(library_id)
        return describe_library(library, self._repository.housekeeping)

    def _existing(self, library_id: str) -> OpenLibrary | None:
        try:
            return self._repository.get(library_id)
        except NotFound:
            return None

    def _creation(
        self, draft: LibraryDraft, idempotency: IdempotencyToken | None, library_id: str | None = None
    ) -> CreateLibrary:
        embedder = self._chosen(draft.embedder, draft.dimension)
        dimension = draft.dimension or (embedder.dimension if embedder else None)
        if dimension is None:
            raise ValidationFailed.at("/dimension", "dimension-missing", "Say the dimension, or choose an embedder.")
        if not 1 <= dimension <= DIMENSION_MAX:
            raise ValidationFailed.at("/dimension", "out-of-range", f"A dimension is between 1 and {DIMENSION_MAX}.")
        return CreateLibrary(
            id=check_identifier(library_id or draft.id or new_identifier(), "/id"),
            dimension=dimension,
            metric=draft.metric,
            index=check_index_spec(draft.index, "/index"),
            embedder=embedder,
            metadata=draft.metadata,
            at=now(),
            idempotency=idempotency,
        )

    def _configure(self, library: OpenLibrary, settings: LibrarySettings, expected: Expectation) -> Library:
        current = library.view().library
        embedder = self._chosen(settings.embedder, current.dimension)
        command = ConfigureLibrary(
            metadata=settings.metadata,
            index=check_index_spec(settings.index, "/index"),
            embedder=embedder,
            at=now(),
            expected=expected,
        )
        changed = library.submit(command).library
        if changed.index != current.index:
            self._repository.housekeeping.rebuild(library)
        return changed

    def _chosen(self, choice: EmbedderChoice | EmbedderSpec | None, dimension: int | None) -> EmbedderSpec | None:
        if choice is None or isinstance(choice, EmbedderSpec):
            return choice
        return self._embedders.choose(choice, dimension)


def _as_made(library: Library, command: CreateLibrary) -> Library:
    """The library as the command that made it left it, whatever happened since. What cannot change is taken from it."""
    return replace(
        library,
        index=command.index,
        embedder=command.embedder,
        metadata=command.metadata,
        document_count=0,
        chunk_count=0,
        position=0,
        version=0,
        updated_at=library.created_at,
    )
