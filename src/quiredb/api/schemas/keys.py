"""API keys on the wire. The key itself is only in the answer to its making."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Identifier, Instant, InstantAnswer, RequestModel
from quiredb.domain.keys import KEY_LIBRARIES_MAX, KEY_NAME_CHARACTERS_MAX, ApiKey, KeyDraft
from quiredb.domain.rights import Role
from quiredb.domain.times import format_instant

KEY_EXAMPLE: dict[str, Any] = {
    "name": "reader of the notes",
    "role": "read",
    "libraries": ["notes"],
    "expires_at": "2099-01-31T12:00:00Z",
}


def _role(value: object) -> Role:
    if isinstance(value, str) and value in list(Role):
        return Role(value)
    raise PydanticCustomError("role", f"A role is one of {', '.join(Role)}.")


class KeyBody(RequestModel):
    """A key to be made. Without `libraries` it is for all, without `expires_at` for ever."""

    name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": KEY_NAME_CHARACTERS_MAX})]
    role: Annotated[Role, BeforeValidator(_role)]
    libraries: Annotated[
        list[Identifier] | None, Field(json_schema_extra={"minItems": 1, "maxItems": KEY_LIBRARIES_MAX})
    ] = None
    expires_at: Instant | None = None

    def to_domain(self) -> KeyDraft:
        """The draft."""
        return KeyDraft(
            self.name, self.role, None if self.libraries is None else tuple(self.libraries), self.expires_at
        )


class KeyAnswer(TypedDict):
    """What is known of a key. `libraries` null: all; `last_used_at` is kept to the minute."""

    id: str
    name: str
    role: Annotated[str, Field(json_schema_extra={"enum": list(Role)})]
    libraries: list[str] | None
    created_at: InstantAnswer
    expires_at: InstantAnswer | None
    last_used_at: InstantAnswer | None


class NewKeyAnswer(KeyAnswer):
    """A new key with the key itself, which is shown once."""

    key: str


class KeyList(TypedDict):
    """All keys, the oldest first."""

    items: list[KeyAnswer]


def key_answer(key: ApiKey) -> KeyAnswer:
    """A key as the answer shows it."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "libraries": None if key.libraries is None else list(key.libraries),
        "created_at": format_instant(key.created_at),
        "expires_at": None if key.expires_at is None else format_instant(key.expires_at),
        "last_used_at": None if key.last_used_at is None else format_instant(key.last_used_at),
    }
