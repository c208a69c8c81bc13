"""What all request models share, and how their complaints become violations."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from quiredb.domain.errors import ValidationFailed, Violation
from quiredb.domain.identifiers import IDENTIFIER_PATTERN, is_identifier
from quiredb.domain.limits import ID_CHARACTERS_MAX
from quiredb.domain.times import parse_instant

_POINTER_PART_CHARACTERS_MAX = 64
_CODES = {"extra_forbidden": "unknown-field", "missing": "required"}
_SENTENCES = {"extra_forbidden": "There is no such field here.", "missing": "This field is required."}

Model = TypeVar("Model", bound=BaseModel)


class RequestModel(BaseModel):
    """A strict request body: no coercion, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PacedModel(RequestModel):
    """The body of a request that may be over so soon that no thread is worth while."""

    def kind(self) -> Hashable | None:
        """What such requests to one library have in common that take about as long; None where nothing tells."""
        return None


def located_error(suffix: str, code: str, detail: str) -> PydanticCustomError:
    """A complaint about a place deeper than the field that Pydantic validates: `suffix` is the rest of the pointer."""
    return PydanticCustomError(code, "{detail}", {"detail": detail, "suffix": suffix})


def one_of(**members: list[str]) -> dict[str, Any]:
    """What a JSON schema says of an object that has exactly one of these members, of these types; null is absent."""
    return {
        "oneOf": [{"required": [member], "properties": {member: {"type": types}}} for member, types in members.items()]
    }


def patch_schema(example: dict[str, Any], **members: dict[str, Any]) -> dict[str, Any]:
    """What a JSON schema says of a merge patch that may have these members."""
    return {"properties": members, "additionalProperties": False, "examples": [example]}


def validate(model: type[Model], data: object, pointer: str = "") -> Model:
    """A model from decoded JSON that stands at `pointer` of the request.

    Raises:
        ValidationFailed: with every violation.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ValidationFailed(violations_of(error.errors(include_url=False, include_input=False), pointer)) from None


def violations_of(details: list[ErrorDetails], pointer: str = "") -> tuple[Violation, ...]:
    """Pydantic's complaints in our words; never with a value of the input."""
    return tuple(_violation(detail, pointer) for detail in details)


def _violation(detail: ErrorDetails, pointer: str) -> Violation:
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    path = pointer + "".join(f"/{_pointer_part(part)}" for part in detail["loc"]) + str(context.get("suffix", ""))
    sentence = _SENTENCES.get(kind) or detail["msg"]
    return Violation(
        path, _CODES.get(kind, kind.replace("_", "-")), sentence if sentence.endswith(".") else sentence + "."
    )


def _pointer_part(part: str | int) -> str:
    text = str(part)[:_POINTER_PART_CHARACTERS_MAX]
    return text.replace("~", "~0").replace("/", "~1")


def _check_identifier(value: str) -> str:
    if isinstance(value, str) and not is_identifier(value):
        raise PydanticCustomError(
            "identifier",
            f"An id is 1 to {ID_CHARACTERS_MAX} characters of letters, digits and . _ - : ~ (and not '.' or '..').",
        )
    return value


def _parse_instant(value: object) -> datetime:
    instant = parse_instant(value) if isinstance(value, str) else None
    if instant is None:
        raise PydanticCustomError("date-time", "A date-time is written like 2026-01-31T12:00:00Z (RFC 3339).")
    return instant


Identifier: TypeAlias = Annotated[
    str,
    BeforeValidator(_check_identifier),
    Field(description="Letters, digits and . _ - : ~", json_schema_extra={"pattern": IDENTIFIER_PATTERN}),
]
Instant: TypeAlias = Annotated[
    datetime, BeforeValidator(_parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
InstantAnswer: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def check_same_id(in_path: str, in_body: str | None) -> None:
    """Refuse a body that names another resource than the path.

    Raises:
        ValidationFailed: at /id.
    """
    if in_body not in {None, in_path}:
        raise ValidationFailed.at("/id", "id-mismatch", "The id in the body is not the one in the path.")
