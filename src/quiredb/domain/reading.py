"""Answers of reads: a resource or a page of them, and the position that they are from."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Resource = TypeVar("Resource")


@dataclass(frozen=True, slots=True)
class Read(Generic[Resource]):
    """One resource as it is at `position`."""

    resource: Resource
    position: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Resource]):
    """Part of a list at `position`; `more` when the list goes on after the last item."""

    items: tuple[Resource, ...]
    more: bool
    position: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many chunks match, or matched when they were deleted, at `position`.

    `replayed` when an idempotency key brought back an earlier deletion.
    """

    count: int
    position: int
    replayed: bool = False
