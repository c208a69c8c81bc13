"""The error tree. Every error that Quire raises on purpose is a `QuireError`.

    QuireError
    ├── ValidationFailed            the request is well-formed but means something impossible
    │   └── IdempotencyKeyReused
    ├── NotFound
    ├── Conflict                    the state does not allow it, whatever the request looks like
    ├── PreconditionFailed          the resource is at another version
    ├── TooLarge
    ├── Unavailable                 try again later: starting, closing
    │   ├── Draining
    │   ├── Overloaded
    │   └── ReplicaBehind
    ├── EmbeddingFailed             the embedding provider did not give vectors
    │   └── EmbedderNotConfigured
    ├── JobCancelled
    └── StorageFailed
        ├── StorageFull
        ├── WritesStopped
        ├── FolderInUse
        ├── FormatUnsupported
        └── DataDamaged

`code` is the stable machine word of the REST contract; `detail` tells the user what to do.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with an input: a JSON Pointer into the request, a machine word, a sentence."""

    pointer: str
    code: str
    detail: str


class QuireError(Exception):
    """Base of all errors raised on purpose. `detail` is a sentence for the user."""

    code = "error"
    retryable = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def logged(self) -> str:
        """What a log may hold of `detail`: nothing that a user has stored or asked."""
        return self.detail


class ValidationFailed(QuireError):
    """The input has a meaning that cannot be; `violations` says where and why."""

    code = "validation"

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(violations[0].detail if len(violations) == 1 else f"{len(violations)} problems")
        self.violations = violations

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "ValidationFailed":
        """One violation at one place."""
        return cls((Violation(pointer, code, detail),))


class IdempotencyKeyReused(ValidationFailed):
    """The idempotency key was used before with another request body."""

    code = "idempotency-key-reused"


class NotFound(QuireError):
    """A library, document, chunk or job does not exist."""

    code = "not-found"

    def __init__(self, resource: str, identifier: str) -> None:
        super().__init__(f"There is no {resource} {identifier!r}.")
        self.resource = resource
        self.identifier = identifier


class Conflict(QuireError):
    """The current state does not allow the change."""

    code = "conflict"


class PreconditionFailed(QuireError):
    """If-Match or If-None-Match does not hold at the position where the command was judged."""

    code = "precondition-failed"


class TooLarge(QuireError):
    """The request is larger than a published limit."""

    code = "too-large"


class Unavailable(QuireError):
    """The server cannot answer now; the same request may succeed later."""

    code = "unavailable"
    retryable = True


class Draining(Unavailable):
    """The server is ending and takes nothing new."""

    code = "draining"


class Overloaded(Unavailable):
    """The request would need more memory or more of a queue than there is now; nothing was done."""

    code = "overloaded"


class ReplicaBehind(Unavailable):
    """This node has not reached the position that the read asked for."""

    code = "replica-behind"


class EmbeddingFailed(QuireError):
    """The embedding provider refused, failed or could not be reached; nothing was written.

    `unquoted` is `detail` without the provider's own words, where it has some: they may repeat a text.
    """

    code = "embedding-failed"

    def __init__(self, detail: str, *, retryable: bool = False, unquoted: str | None = None) -> None:
        super().__init__(detail)
        self.retryable = retryable
        self._unquoted = unquoted

    @property
    def logged(self) -> str:
        """The detail without a provider's words."""
        return self._unquoted or self.detail


class EmbedderNotConfigured(EmbeddingFailed):
    """The server has no such provider or model, or no key for it."""

    code = "embedder-not-configured"


class JobCancelled(QuireError):
    """Background work was cancelled by its owner."""

    code = "job-cancelled"


class StorageFailed(QuireError):
    """The disk did not do what was asked; the write was not acknowledged."""

    code = "storage-failed"


class StorageFull(StorageFailed):
    """No space is left for the write; reads go on."""

    code = "storage-full"


class WritesStopped(StorageFailed):
    """The disk failed to flush: nobody can tell what it holds, so no more is written until a restart; reads go on."""

    code = "read-only"


class FolderInUse(StorageFailed):
    """Another process holds the data folder."""

    code = "folder-in-use"


class FormatUnsupported(StorageFailed):
    """The data folder was written by a newer program, or is not one of Quire's."""

    code = "format-unsupported"


class DataDamaged(StorageFailed):
    """Stored bytes do not match their checksum."""

    code = "data-damaged"
