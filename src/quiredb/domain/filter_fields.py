"""The fields that filters may name, and the kinds of their values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.limits import ATTRIBUTE_NAME_CHARACTERS_MAX
from quiredb.domain.metadata import AttributeValue, FieldValue, Kind, typed


class Scope(StrEnum):
    """Whose field: the chunk's own, or its document's (written `doc.`)."""

    CHUNK = "chunk"
    DOCUMENT = "doc"


ATTRIBUTES = "attributes."

_CHUNK_KINDS = {
    "id": Kind.STRING,
    "document_id": Kind.STRING,
    "position": Kind.NUMBER,
    "text": Kind.STRING,
    "created_at": Kind.DATETIME,
    "updated_at": Kind.DATETIME,
    "name": Kind.STRING,
    "section": Kind.STRING,
    "page": Kind.NUMBER,
    "language": Kind.STRING,
    "tags": Kind.STRINGS,
}
_DOCUMENT_KINDS = {
    "id": Kind.STRING,
    "created_at": Kind.DATETIME,
    "updated_at": Kind.DATETIME,
    "title": Kind.STRING,
    "source": Kind.STRING,
    "author": Kind.STRING,
    "language": Kind.STRING,
    "published_at": Kind.DATETIME,
    "tags": Kind.STRINGS,
}
_KINDS = {Scope.CHUNK: _CHUNK_KINDS, Scope.DOCUMENT: _DOCUMENT_KINDS}
_DOCUMENT_PREFIX = "doc."


@dataclass(frozen=True, slots=True)
class Field:
    """A field by scope and name; attributes are named `attributes.<name>`."""

    scope: Scope
    name: str

    def __str__(self) -> str:
        return f"{_DOCUMENT_PREFIX}{self.name}" if self.scope is Scope.DOCUMENT else self.name

    @property
    def attribute(self) -> str | None:
        """The attribute's name, or None for a field of the fixed schema."""
        return self.name.removeprefix(ATTRIBUTES) if self.name.startswith(ATTRIBUTES) else None

    @property
    def fixed_kind(self) -> Kind | None:
        """The kind that every value of this field has; None for attributes, whose kind is each value's own."""
        return _KINDS[self.scope].get(self.name)


def parse_field(text: str) -> Field | None:
    """The field that a filter names, or None when there is no such field."""
    scope = Scope.DOCUMENT if text.startswith(_DOCUMENT_PREFIX) else Scope.CHUNK
    field = Field(scope, text.removeprefix(_DOCUMENT_PREFIX))
    if field.attribute is None:
        return field if field.fixed_kind else None
    return field if 1 <= len(field.attribute) <= ATTRIBUTE_NAME_CHARACTERS_MAX else None


def fixed_fields(scope: Scope) -> tuple[Field, ...]:
    """The fields of the fixed schema in one scope."""
    return tuple(Field(scope, name) for name in _KINDS[scope])


def chunk_values(chunk: Chunk) -> Iterator[tuple[str, FieldValue]]:
    """Every value that a chunk's own fields hold, by field name, but for `text`. An empty list counts as missing."""
    metadata = chunk.metadata
    yield "id", chunk.id
    yield "document_id", chunk.document_id
    yield "position", chunk.position
    yield "created_at", chunk.created_at
    yield "updated_at", chunk.updated_at
    yield from _present(
        ("name", metadata.name),
        ("section", metadata.section),
        ("page", metadata.page),
        ("language", metadata.language),
        ("tags", metadata.tags),
    )
    yield from _attribute_values(metadata.attributes)


def document_values(document: Document) -> Iterator[tuple[str, FieldValue]]:
    """Every value that a document's fields hold, by field name. An empty list counts as missing."""
    metadata = document.metadata
    yield "id", document.id
    yield "created_at", document.created_at
    yield "updated_at", document.updated_at
    yield from _present(
        ("title", metadata.title),
        ("source", metadata.source),
        ("author", metadata.author),
        ("language", metadata.language),
        ("published_at", metadata.published_at),
        ("tags", metadata.tags),
    )
    yield from _attribute_values(metadata.attributes)


def chunk_value(chunk: Chunk, field: Field) -> FieldValue | None:
    """The value of a chunk's own field; None when it is missing."""
    return chunk.text if field.name == "text" else dict(chunk_values(chunk)).get(field.name)


def document_value(document: Document, field: Field) -> FieldValue | None:
    """The value of a document's field; None when it is missing."""
    return dict(document_values(document)).get(field.name)


def _present(*pairs: tuple[str, FieldValue | None]) -> Iterator[tuple[str, FieldValue]]:
    for name, value in pairs:
        if value is not None and value != ():
            yield name, value


def _attribute_values(attributes: Mapping[str, AttributeValue]) -> Iterator[tuple[str, FieldValue]]:
    for name, value in attributes.items():
        if value != ():
            yield ATTRIBUTES + name, typed(value)
