"""Quire's Python client: `Client` and `AsyncClient`, typed answers, filters as expressions.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._async.client import AsyncClient as AsyncClient
    from ._sync.client import Client as Client
    from .errors import ApiError as ApiError
    from .errors import BulkFailed as BulkFailed
    from .errors import Conflict as Conflict
    from .errors import ConnectionFailed as ConnectionFailed
    from .errors import FieldError as FieldError
    from .errors import Forbidden as Forbidden
    from .errors import JobFailed as JobFailed
    from .errors import NotFound as NotFound
    from .errors import PreconditionFailed as PreconditionFailed
    from .errors import QuireError as QuireError
    from .errors import RateLimited as RateLimited
    from .errors import ServerError as ServerError
    from .errors import Timeout as Timeout
    from .errors import TooLarge as TooLarge
    from .errors import Unauthorized as Unauthorized
    from .errors import Unavailable as Unavailable
    from .errors import UnexpectedAnswer as UnexpectedAnswer
    from .errors import ValidationFailed as ValidationFailed
    from .filters import F as F
    from .filters import Field as Field
    from .filters import Filter as Filter
    from .inputs import ChunkInput as ChunkInput
    from .inputs import ChunkMetadata as ChunkMetadata
    from .inputs import DocumentInput as DocumentInput
    from .inputs import DocumentMetadata as DocumentMetadata
    from .inputs import IndexSettings as IndexSettings
    from .inputs import LibraryMetadata as LibraryMetadata
    from .inputs import SearchInput as SearchInput
    from .models import BatchReport as BatchReport
    from .models import Chunk as Chunk
    from .models import DeleteReport as DeleteReport
    from .models import Document as Document
    from .models import FailedItem as FailedItem
    from .models import Hit as Hit
    from .models import ImportReport as ImportReport
    from .models import IndexState as IndexState
    from .models import Job as Job
    from .models import Library as Library
    from .models import Page as Page
    from .models import Progress as Progress
    from .models import Readiness as Readiness
    from .models import RecallReport as RecallReport
    from .models import SearchResult as SearchResult
    from .models import Stats as Stats
    from .retries import RetryPolicy as RetryPolicy

__version__ = "0.1.0"

_MODULES = {
    "_async.client": "AsyncClient",
    "_sync.client": "Client",
    "errors": (
        "ApiError BulkFailed Conflict ConnectionFailed FieldError Forbidden JobFailed NotFound "
        "PreconditionFailed QuireError RateLimited ServerError Timeout TooLarge Unauthorized Unavailable "
        "UnexpectedAnswer ValidationFailed"
    ),
    "filters": "F Field Filter",
    "inputs": ("ChunkInput ChunkMetadata DocumentInput DocumentMetadata IndexSettings LibraryMetadata SearchInput"),
    "models": (
        "BatchReport Chunk DeleteReport Document FailedItem Hit ImportReport IndexState Job Library Page "
        "Progress Readiness RecallReport SearchResult Stats"
    ),
    "retries": "RetryPolicy",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(["__version__", *_HOME])
