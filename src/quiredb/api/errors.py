"""Which status an error has, and the errors that only HTTP knows.

One table feeds the exception handler and the `responses` of every operation in OpenAPI.
"""

from dataclasses import dataclass

from quiredb.domain import errors as domain
from quiredb.domain.errors import QuireError


class BadRequest(QuireError):
    """A header that cannot be understood."""

    code = "bad-request"


class MalformedJson(QuireError):
    """Bytes that are not strict JSON: not UTF-8, a byte order mark, NaN, a duplicate key, too deep, or broken."""

    code = "malformed-json"


class Unauthenticated(QuireError):
    """No API key, or none that counts. It does not say which."""

    code = "unauthenticated"


class Forbidden(QuireError):
    """The key counts, but not for this operation."""

    code = "forbidden"


class OriginDenied(QuireError):
    """A browser asks for a page of another origin."""

    code = "origin-denied"


class RequestTimeout(QuireError):
    """The head or the body of a request came too slowly."""

    code = "request-timeout"
    retryable = True


class UriTooLong(QuireError):
    """The address is longer than the limit."""

    code = "uri-too-long"


class HeadersTooLarge(QuireError):
    """Too many headers, or too many bytes of them."""

    code = "headers-too-large"


class RateLimited(QuireError):
    """Too many requests or failed logins; `seconds` until the next may pass."""

    code = "rate-limited"
    retryable = True

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class UnsupportedMediaType(QuireError):
    """A content type or content encoding that the operation does not take."""

    code = "unsupported-media-type"


class RouteNotFound(QuireError):
    """No such path. The detail does not repeat it."""

    code = "not-found"


class MethodNotAllowed(QuireError):
    """The path exists, but not with this method; `allowed` are those that it has."""

    code = "method-not-allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"This path answers {', '.join(allowed)}.")
        self.allowed = allowed


class Internal(QuireError):
    """A bug of the server. The cause is in its log under the request id."""

    code = "internal"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """How a class of errors is answered."""

    error: type[QuireError]
    status: int
    title: str
    meaning: str

    @property
    def code(self) -> str:
        """The stable machine word."""
        return self.error.code


KINDS: tuple[ErrorKind, ...] = (
    ErrorKind(BadRequest, 400, "Bad request", "A header is malformed."),
    ErrorKind(MalformedJson, 400, "Malformed JSON", "The body is not strict JSON in UTF-8."),
    ErrorKind(Unauthenticated, 401, "Unauthenticated", "No API key, or none that counts."),
    ErrorKind(Forbidden, 403, "Forbidden", "The key counts, but its role does not allow this."),
    ErrorKind(OriginDenied, 403, "Origin denied", "A browser asked for a page of another origin."),
    ErrorKind(domain.NotFound, 404, "Not found", "The library, document, chunk, job or key does not exist."),
    ErrorKind(RouteNotFound, 404, "Not found", "The path does not exist."),
    ErrorKind(MethodNotAllowed, 405, "Method not allowed", "The path exists; `Allow` lists its methods."),
    ErrorKind(RequestTimeout, 408, "Request timeout", "The request came too slowly; send it faster."),
    ErrorKind(domain.Conflict, 409, "Conflict", "The present state does not allow the change."),
    ErrorKind(domain.JobCancelled, 409, "Job cancelled", "The work was cancelled by its owner."),
    ErrorKind(
        domain.PreconditionFailed, 412, "Precondition failed", "If-Match or If-None-Match does not hold; read again."
    ),
    ErrorKind(domain.TooLarge, 413, "Too large", "The request exceeds a limit of /v1/limits; split it."),
    ErrorKind(UriTooLong, 414, "Address too long", "The address exceeds url_bytes_max of /v1/limits."),
    ErrorKind(UnsupportedMediaType, 415, "Unsupported media type", "Wrong Content-Type, or a Content-Encoding."),
    ErrorKind(domain.ValidationFailed, 422, "Invalid input", "The request is impossible; `errors` says where and why."),
    ErrorKind(
        domain.IdempotencyKeyReused, 422, "Idempotency key reused", "The key was used before with another request."
    ),
    ErrorKind(
        domain.EmbedderNotConfigured, 422, "Embedder not configured", "The server has no such provider, model or key."
    ),
    ErrorKind(RateLimited, 429, "Too many requests", "Too fast, or too many failed logins; wait for Retry-After."),
    ErrorKind(HeadersTooLarge, 431, "Headers too large", "The headers exceed head_bytes_max or headers_max."),
    ErrorKind(Internal, 500, "Internal error", "A bug; report it with the request id."),
    ErrorKind(domain.EmbeddingFailed, 502, "Embedding failed", "The embedding provider failed; nothing was written."),
    ErrorKind(domain.Unavailable, 503, "Unavailable", "Starting or closing; try again."),
    ErrorKind(domain.Draining, 503, "Draining", "The server is ending; ask another one, or again when it is back."),
    ErrorKind(domain.Overloaded, 503, "Overloaded", "No memory or no place in a queue now; wait for Retry-After."),
    ErrorKind(domain.ReplicaBehind, 503, "Replica behind", "This node has not reached X-Quire-Min-Position yet."),
    ErrorKind(domain.StorageFailed, 503, "Storage failed", "The disk failed; the write was not acknowledged."),
    ErrorKind(domain.WritesStopped, 503, "Read-only", "The disk failed to flush; reads go on, writes after a restart."),
    ErrorKind(domain.DataDamaged, 503, "Data damaged", "The library is damaged and closed; run `quire check`."),
    ErrorKind(domain.FolderInUse, 503, "Folder in use", "Another process holds the data folder."),
    ErrorKind(domain.FormatUnsupported, 503, "Format unsupported", "The data folder belongs to a newer program."),
    ErrorKind(domain.StorageFull, 507, "Storage full", "No space is left; reads go on."),
)
"""Every error that the API answers with, by status."""

_BY_CLASS = {kind.error: kind for kind in KINDS}
_INTERNAL = _BY_CLASS[Internal]


def kind_of(error: QuireError) -> ErrorKind:
    """How an error is answered: by the nearest class of its ancestry that the table lists."""
    for ancestor in type(error).__mro__:
        if ancestor in _BY_CLASS:
            return _BY_CLASS[ancestor]
    return _INTERNAL


def kinds_with(status: int) -> tuple[ErrorKind, ...]:
    """All kinds that answer with one status."""
    return tuple(kind for kind in KINDS if kind.status == status)
