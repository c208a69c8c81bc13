"""Every exception the SDK raises, in one tree below `QuireError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import ImportReport, Job

RETRYABLE_STATUSES = frozenset({408, 429, 502, 503, 504})


class QuireError(Exception):
    """Base of every error of this package."""


class UnexpectedAnswer(QuireError):
    """The server's answer is not what the contract says; client and server versions may not match."""


class ConnectionFailed(QuireError):
    """The server could not be reached, or the connection broke.

    `sent` says whether the request may have reached the server, and so may have been applied.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class Timeout(QuireError):
    """The server did not answer in time. `sent` as in `ConnectionFailed`."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class JobFailed(QuireError):
    """A job that was waited for failed or was cancelled; `job` is its last state."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} ended as {job.state}: {job.error or 'no reason given'}")
        self.job = job


class BulkFailed(QuireError):
    """A bulk write stopped early; `report` says what was written and what was not."""

    def __init__(self, message: str, report: ImportReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid place of a request: a JSON pointer into the body, a stable code, words for people."""

    pointer: str
    code: str
    detail: str


class ApiError(QuireError):
    """The server answered with an error (an RFC 9457 problem document).

    Attributes:
        status: HTTP status.
        code: stable machine-readable word, empty when the answer was not a problem document.
        detail: what went wrong and what to do.
        errors: the invalid places of the request, at most 20.
        request_id: quote it when asking for help.
        retryable: whether the same request may succeed later.
        retry_after: seconds the server asked to wait, if it did.
        problem: the whole problem document, empty when the answer was not one.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str = "",
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retryable = status in RETRYABLE_STATUSES if retryable is None else retryable
        self.retry_after = retry_after
        self.problem = problem or {}

    def __str__(self) -> str:
        lines = [f"{self.status} {self.code}: {self.detail}" if self.code else f"{self.status}: {self.detail}"]
        lines += [f"  {error.pointer or '/'}: {error.detail} [{error.code}]" for error in self.errors]
        if self.request_id:
            lines.append(f"  request id: {self.request_id}")
        return "\n".join(lines)


class ValidationFailed(ApiError):
    """400 or 422: the request is not valid; `errors` points to where."""


class Unauthorized(ApiError):
    """401: no API key, or one the server does not know."""


class Forbidden(ApiError):
    """403: the API key may not do this."""


class NotFound(ApiError):
    """404: no such library, document, chunk or job."""


class Conflict(ApiError):
    """409: the change contradicts the present state."""


class PreconditionFailed(ApiError):
    """412: `if_match` names another version, or `if_none_match="*"` met something that exists."""


class TooLarge(ApiError):
    """413: the body is larger than the server takes; see `client.limits()`."""


class RateLimited(ApiError):
    """429: too many requests; `retry_after` says when to come back."""


class ServerError(ApiError):
    """5xx: the server failed; a bug when it is a 500."""


class Unavailable(ServerError):
    """502, 503 or 504: the server cannot answer now, for example because a replica is behind."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: ValidationFailed,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    422: ValidationFailed,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_class(status: int) -> type[ApiError]:
    """The exception class for an HTTP status."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
