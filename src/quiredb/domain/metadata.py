"""The fixed metadata schema. Named fields are typed once for everybody; `attributes` holds the caller's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from quiredb.domain.times import parse_instant

AttributeValue: TypeAlias = str | int | float | bool | tuple[str, ...]
"""What an attribute may hold. A string in RFC 3339 date-time form is a date-time."""

FieldValue: TypeAlias = AttributeValue | datetime
"""What a filter compares: attribute values with date-times as instants."""


class Kind(StrEnum):
    """The type of a field's value. Values of different kinds never compare."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "date-time"
    STRINGS = "list of strings"


def typed(value: AttributeValue) -> FieldValue:
    """The value as filters see it: a string in RFC 3339 form becomes its instant."""
    if isinstance(value, str):
        return parse_instant(value) or value
    return value


def kind_of(value: FieldValue) -> Kind:
    """The kind of a typed value."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.STRING
    return Kind.DATETIME if isinstance(value, datetime) else Kind.STRINGS


@dataclass(frozen=True, slots=True)
class LibraryMetadata:
    """What a library says about itself."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What a document says about itself."""

    title: str | None = None
    source: str | None = None
    author: str | None = None
    language: str | None = None
    published_at: datetime | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkMetadata:
    """What a chunk says about itself."""

    name: str | None = None
    section: str | None = None
    page: int | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
