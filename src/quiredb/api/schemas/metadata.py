"""The fixed metadata schema on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypeAlias, TypeVar

import orjson
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Instant, InstantAnswer, RequestModel, located_error
from quiredb.domain.limits import (
    ATTRIBUTE_LIST_MAX,
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    METADATA_BYTES_MAX,
    NUMBER_MAGNITUDE_MAX,
    STRING_FIELD_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)
from quiredb.domain.metadata import AttributeValue, ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.times import format_instant

_ATTRIBUTE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "maxProperties": ATTRIBUTES_MAX,
    "propertyNames": {"minLength": 1, "maxLength": ATTRIBUTE_NAME_CHARACTERS_MAX},
    "description": "Your own fields. A string in RFC 3339 form is a date-time to filters.",
    "additionalProperties": {
        "oneOf": [
            {"type": "string", "maxLength": STRING_FIELD_CHARACTERS_MAX},
            {"type": "number", "minimum": -NUMBER_MAGNITUDE_MAX, "maximum": NUMBER_MAGNITUDE_MAX},
            {"type": "boolean"},
            {"type": "array", "items": {"type": "string"}, "maxItems": ATTRIBUTE_LIST_MAX},
        ]
    },
    "examples": [{"year": 2026, "licence": "CC-BY-4.0", "reviewed": True, "topics": ["search", "storage"]}],
}


def _parse_attributes(value: object) -> dict[str, AttributeValue]:
    if not isinstance(value, dict):
        raise PydanticCustomError("attributes", "Attributes are an object.")
    if len(value) > ATTRIBUTES_MAX:
        raise PydanticCustomError("attributes", f"There are at most {ATTRIBUTES_MAX} attributes.")
    return {_attribute_name(name): _attribute(name, item) for name, item in value.items()}


def _attribute_name(name: str) -> str:
    if 1 <= len(name) <= ATTRIBUTE_NAME_CHARACTERS_MAX:
        return name
    raise PydanticCustomError(
        "attribute-name", f"An attribute's name has 1 to {ATTRIBUTE_NAME_CHARACTERS_MAX} characters."
    )


def _attribute(name: str, value: object) -> AttributeValue:
    if isinstance(value, str):
        _check_string(value, f"/{name}")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if -NUMBER_MAGNITUDE_MAX <= value <= NUMBER_MAGNITUDE_MAX:
            return value
        raise located_error(
            f"/{name}", "number-range", "Numbers reach to 2^53 in magnitude; send longer ones as strings."
        )
    if isinstance(value, list) and len(value) <= ATTRIBUTE_LIST_MAX and all(isinstance(item, str) for item in value):
        for index, item in enumerate(value):
            _check_string(item, f"/{name}/{index}")
        return tuple(value)
    raise located_error(
        f"/{name}",
        "attribute",
        f"An attribute is a string, number, boolean, date-time or a list of at most {ATTRIBUTE_LIST_MAX} strings.",
    )


def _check_string(value: str, place: str) -> None:
    if len(value) > STRING_FIELD_CHARACTERS_MAX:
        raise located_error(place, "string-too-long", f"Strings have at most {STRING_FIELD_CHARACTERS_MAX} characters.")


def _check_size(value: object) -> object:
    """Metadata as a whole is bounded by the bytes of its JSON."""
    if isinstance(value, dict) and len(orjson.dumps(value, default=str)) > METADATA_BYTES_MAX:
        raise PydanticCustomError("metadata-size", f"Metadata has at most {METADATA_BYTES_MAX} bytes as JSON.")
    return value


Text: TypeAlias = Annotated[str, Field(max_length=STRING_FIELD_CHARACTERS_MAX)]
Tag: TypeAlias = Annotated[str, Field(min_length=1, max_length=TAG_CHARACTERS_MAX)]
Tags: TypeAlias = Annotated[list[Tag], Field(max_length=TAGS_MAX, examples=[["guide", "draft"]])]
Attributes: TypeAlias = Annotated[dict[str, Any], PlainValidator(_parse_attributes), WithJsonSchema(_ATTRIBUTE_SCHEMA)]
AttributesAnswer: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(_ATTRIBUTE_SCHEMA)]


class LibraryMetadataBody(RequestModel):
    """What a library says about itself; all optional."""

    title: Text | None = None
    description: Text | None = None
    tags: Tags = []
    attributes: Attributes = {}

    def to_domain(self) -> LibraryMetadata:
        """As the domain has it."""
        return LibraryMetadata(self.title, self.description, tuple(self.tags), self.attributes)


class DocumentMetadataBody(RequestModel):
    """What a document says about itself; all optional."""

    title: Text | None = None
    source: Text | None = None
    author: Text | None = None
    language: Text | None = None
    published_at: Instant | None = None
    tags: Tags = []
    attributes: Attributes = {}

    def to_domain(self) -> DocumentMetadata:
        """As the domain has it."""
        return DocumentMetadata(
            self.title,
            self.source,
            self.author,
            self.language,
            self.published_at,
            tuple(self.tags),
            self.attributes,
        )


class ChunkMetadataBody(RequestModel):
    """What a chunk says about itself; all optional."""

    name: Text | None = None
    section: Text | None = None
    page: Annotated[int, Field(ge=-NUMBER_MAGNITUDE_MAX, le=NUMBER_MAGNITUDE_MAX)] | None = None
    language: Text | None = None
    tags: Tags = []
    attributes: Attributes = {}

    def to_domain(self) -> ChunkMetadata:
        """As the domain has it."""
        return ChunkMetadata(self.name, self.section, self.page, self.language, tuple(self.tags), self.attributes)


Metadata = TypeVar("Metadata", LibraryMetadataBody, DocumentMetadataBody, ChunkMetadataBody)
Bounded: TypeAlias = Annotated[Metadata, BeforeValidator(_check_size)]
"""Metadata whose size as JSON is checked before its fields."""


class LibraryMetadataAnswer(TypedDict):
    """What a library says about itself; fields that are not set are left out."""

    title: NotRequired[str]
    description: NotRequired[str]
    tags: NotRequired[list[str]]
    attributes: NotRequired[AttributesAnswer]


class DocumentMetadataAnswer(TypedDict):
    """What a document says about itself; fields that are not set are left out."""

    title: NotRequired[str]
    source: NotRequired[str]
    author: NotRequired[str]
    language: NotRequired[str]
    published_at: NotRequired[InstantAnswer]
    tags: NotRequired[list[str]]
    attributes: NotRequired[AttributesAnswer]


class ChunkMetadataAnswer(TypedDict):
    """What a chunk says about itself; fields that are not set are left out."""

    name: NotRequired[str]
    section: NotRequired[str]
    page: NotRequired[int]
    language: NotRequired[str]
    tags: NotRequired[list[str]]
    attributes: NotRequired[AttributesAnswer]


def library_metadata_answer(metadata: LibraryMetadata) -> LibraryMetadataAnswer:
    """Library metadata without what is not set."""
    answer: LibraryMetadataAnswer = {}
    if metadata.title is not None:
        answer["title"] = metadata.title
    if metadata.description is not None:
        answer["description"] = metadata.description
    if metadata.tags:
        answer["tags"] = list(metadata.tags)
    if metadata.attributes:
        answer["attributes"] = _attributes_answer(metadata.attributes)
    return answer


def document_metadata_answer(metadata: DocumentMetadata) -> DocumentMetadataAnswer:
    """Document metadata without what is not set."""
    answer: DocumentMetadataAnswer = {}
    if metadata.title is not None:
        answer["title"] = metadata.title
    if metadata.source is not None:
        answer["source"] = metadata.source
    if metadata.author is not None:
        answer["author"] = metadata.author
    if metadata.language is not None:
        answer["language"] = metadata.language
    if metadata.published_at is not None:
        answer["published_at"] = format_instant(metadata.published_at)
    if metadata.tags:
        answer["tags"] = list(metadata.tags)
    if metadata.attributes:
        answer["attributes"] = _attributes_answer(metadata.attributes)
    return answer


def chunk_metadata_answer(metadata: ChunkMetadata) -> ChunkMetadataAnswer:
    """Chunk metadata without what is not set."""
    answer: ChunkMetadataAnswer = {}
    if metadata.name is not None:
        answer["name"] = metadata.name
    if metadata.section is not None:
        answer["section"] = metadata.section
    if metadata.page is not None:
        answer["page"] = metadata.page
    if metadata.language is not None:
        answer["language"] = metadata.language
    if metadata.tags:
        answer["tags"] = list(metadata.tags)
    if metadata.attributes:
        answer["attributes"] = _attributes_answer(metadata.attributes)
    return answer


def _attributes_answer(attributes: Mapping[str, AttributeValue]) -> AttributesAnswer:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()}
