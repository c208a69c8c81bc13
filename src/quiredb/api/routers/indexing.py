"""Indexes, and the jobs that build them."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer, empty
from quiredb.api.bodies import StrictRoute
from quiredb.api.dependencies import (
    JobPath,
    LibraryPath,
    PageTermsDependency,
    PrincipalDependency,
    ReadTermsDependency,
    ServicesDependency,
    WriteConditionsDependency,
)
from quiredb.api.openapi import READ_PROBLEMS, WRITE_PROBLEMS, problems
from quiredb.api.schemas.indexing import (
    INDEX_EXAMPLE,
    IndexAnswer,
    JobAnswer,
    JobPage,
    index_answer,
    job_answer,
)
from quiredb.api.schemas.libraries import IndexBody
from quiredb.domain.errors import NotFound
from quiredb.domain.indexing import Job
from quiredb.domain.rights import Principal

router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.get(
    "/libraries/{library}/index",
    operation_id="get_index",
    summary="The index of a library",
    tags=["indexes"],
    response_model=IndexAnswer,
    responses=READ_PROBLEMS,
)
def get_index(services: ServicesDependency, library: LibraryPath, terms: ReadTermsDependency) -> JsonAnswer:
    """What serves searches now, how far a build has come, and why this index."""
    terms.wait(services, library)
    position = services.libraries.get(library).position
    return answer(index_answer(services.indexing.get(library)), position=position)


@router.put(
    "/libraries/{library}/index",
    operation_id="put_index",
    summary="Choose an index and build it",
    tags=["indexes"],
    status_code=202,
    response_model=JobAnswer,
    responses=WRITE_PROBLEMS,
)
def put_index(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[IndexBody, Body(examples=[INDEX_EXAMPLE])],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Starts a job that builds the index; searches go on with the old one until the new one is ready."""
    expected = conditions.expectation(lambda: services.libraries.get(library).version)
    job = services.indexing.configure(library, body.to_domain(), expected)
    position = services.libraries.get(library).position
    return answer(job_answer(job), status=202, position=position, location=f"/v1/jobs/{job.id}")


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="List jobs",
    tags=["jobs"],
    response_model=JobPage,
    responses=problems(),
)
def list_jobs(services: ServicesDependency, principal: PrincipalDependency, page: PageTermsDependency) -> JsonAnswer:
    """The jobs of this server since it started on libraries that the key is for, the oldest first."""
    after = page.after()
    jobs = (job for job in services.indexing.jobs() if principal.sees(job.library_id))
    found = [job for job in jobs if after is None or job.id > after]
    shown, more = found[: page.limit], len(found) > page.limit
    cursor = page.next_cursor([shown[-1].id], more=more) if shown else None
    return answer({"items": [job_answer(job) for job in shown], "next_cursor": cursor})


@router.get(
    "/jobs/{job}",
    operation_id="get_job",
    summary="Read a job",
    tags=["jobs"],
    response_model=JobAnswer,
    responses=READ_PROBLEMS,
)
def get_job(services: ServicesDependency, principal: PrincipalDependency, job: JobPath) -> JsonAnswer:
    """A job as it stands."""
    return answer(job_answer(_visible(services.indexing.job(job), principal)))


@router.delete(
    "/jobs/{job}",
    operation_id="cancel_job",
    summary="Cancel a job",
    tags=["jobs"],
    status_code=204,
    responses=problems(404, 409),
)
def cancel_job(services: ServicesDependency, principal: PrincipalDependency, job: JobPath) -> Response:
    """Asks the job to stop at its next safe point. A job that has ended is a conflict."""
    services.indexing.cancel(_visible(services.indexing.job(job), principal).id)
    return empty(204)


def _visible(job: Job, principal: Principal) -> Job:
    """The job, unless it is on a library that does not exist for this principal: then neither does the job."""
    if principal.sees(job.library_id):
        return job
    raise NotFound("job", job.id)
