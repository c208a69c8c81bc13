"""Indexing on request, and the jobs that do it."""

from quiredb.domain.commands import ANY_STATE, ConfigureLibrary, Expectation
from quiredb.domain.indexing import IndexState, Job
from quiredb.domain.library import IndexSpec
from quiredb.domain.retrying import exactly, retry_unless_expected
from quiredb.domain.times import now
from quiredb.engine.index_choice import check_index_spec
from quiredb.repositories.index_state import describe_index
from quiredb.repositories.libraries import LibraryRepository


class IndexingService:
    """Use cases on indexes and jobs."""

    def __init__(self, repository: LibraryRepository) -> None:
        self._repository = repository

    def get(self, library_id: str) -> IndexState:
        """The index as it serves searches now."""
        return describe_index(self._repository.get(library_id), self._repository.housekeeping)

    def configure(self, library_id: str, spec: IndexSpec, expected: Expectation = ANY_STATE) -> Job:
        """Choose an index and build it; searches go on with the old one until the new one is ready."""
        library = self._repository.get(library_id)
        check_index_spec(spec, "")

        def attempt() -> None:
            current = library.view().library
            command = ConfigureLibrary(
                metadata=current.metadata,
                index=spec,
                embedder=current.embedder,
                at=now(),
                expected=exactly(expected, current.version),
            )
            library.submit(command)

        retry_unless_expected(expected, attempt)
        return self._repository.housekeeping.rebuild(library)

    def jobs(self) -> tuple[Job, ...]:
        """Every job, oldest first."""
        return self._repository.jobs.all()

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._repository.jobs.get(job_id)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop."""
        return self._repository.jobs.cancel(job_id)
