"""What each operation needs. An operation that is not listed cannot be routed: the application does not start."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from starlette.types import Scope

from quiredb.api.errors import Forbidden
from quiredb.domain.errors import NotFound
from quiredb.domain.rights import Principal, Right


class Access(Enum):
    """What needs no right in particular."""

    FREE = "free"
    """Nobody has to show a key."""
    ANY_KEY = "any key"
    """Any key that counts will do: it shows nothing that is stored."""


DENIED = "denied"
"""In the state of a request that looks answered like any other but was turned away."""

Need: TypeAlias = Access | Right

RIGHTS: Mapping[str, Need] = MappingProxyType(
    {
        "get_alive": Access.FREE,
        "get_ready": Access.FREE,
        "get_started": Access.FREE,
        "head_alive": Access.FREE,
        "head_ready": Access.FREE,
        "head_started": Access.FREE,
        "get_version": Access.FREE,
        "get_limits": Access.ANY_KEY,
        "get_openapi": Access.ANY_KEY,
        "get_metrics": Right.METRICS,
        "list_libraries": Right.READ,
        "create_library": Right.SERVER,
        "put_library": Right.SERVER,
        "get_library": Right.READ,
        "get_library_stats": Right.READ,
        "patch_library": Right.ADMIN,
        "delete_library": Right.ADMIN,
        "get_index": Right.READ,
        "put_index": Right.ADMIN,
        "search": Right.READ,
        "search_batch": Right.READ,
        "measure_recall": Right.READ,
        "count_chunks": Right.READ,
        "scan_chunks": Right.READ,
        "delete_chunks": Right.WRITE,
        "list_documents": Right.READ,
        "create_document": Right.WRITE,
        "get_document": Right.READ,
        "put_document": Right.WRITE,
        "patch_document": Right.WRITE,
        "delete_document": Right.WRITE,
        "list_chunks": Right.READ,
        "create_chunk": Right.WRITE,
        "get_document_chunk": Right.READ,
        "get_chunk": Right.READ,
        "put_chunk": Right.WRITE,
        "patch_chunk": Right.WRITE,
        "delete_chunk": Right.WRITE,
        "batch_chunks": Right.WRITE,
        "import_library": Right.WRITE,
        "export_library": Right.READ,
        "list_jobs": Right.READ,
        "get_job": Right.READ,
        "cancel_job": Right.ADMIN,
        "create_backup": Right.SERVER,
        "create_key": Right.SERVER,
        "list_keys": Right.SERVER,
        "revoke_key": Right.SERVER,
    }
)
"""By operation id."""


def principal_of(scope: Scope) -> Principal:
    """Who asks, as the authentication found out."""
    principal: Principal = scope["state"]["principal"]
    return principal


def check_rights(need: Need, scope: Scope) -> None:
    """Judge a routed request by its path alone, before anything else of it is read.

    A library that the key is not for is answered like one that is not there, whatever the key may do elsewhere.

    Raises:
        NotFound: the library is none of the principal's.
        Forbidden: it is, but not for this.
    """
    if need is Access.FREE:
        return
    principal = principal_of(scope)
    library = scope["path_params"].get("library")
    if library is not None and not principal.sees(library):
        scope["state"][DENIED] = True
        raise NotFound("library", library)
    if need is not Access.ANY_KEY and need not in principal.rights:
        raise Forbidden(f"This key may not do that: it needs the right {need.value!r}.")
