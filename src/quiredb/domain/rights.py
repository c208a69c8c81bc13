"""Who may do what: the rights that operations need, the roles that hold them, and who asks."""

from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """What an operation needs. The first three count for single libraries."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    SERVER = "server"
    METRICS = "metrics"


class Role(StrEnum):
    """What a key is for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    METRICS = "metrics"
    SERVER_ADMIN = "server-admin"

    @property
    def rights(self) -> frozenset[Right]:
        """All rights of the role."""
        return _RIGHTS[self]

    @property
    def is_for_libraries(self) -> bool:
        """Whether keys of this role may be bound to single libraries."""
        return self in _FOR_LIBRARIES


_RIGHTS = {
    Role.READ: frozenset({Right.READ}),
    Role.WRITE: frozenset({Right.READ, Right.WRITE}),
    Role.ADMIN: frozenset({Right.READ, Right.WRITE, Right.ADMIN}),
    Role.METRICS: frozenset({Right.METRICS}),
    Role.SERVER_ADMIN: frozenset(Right),
}
_FOR_LIBRARIES = frozenset({Role.READ, Role.WRITE, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `key_id` None: nobody has to show a key. `libraries` None: all, those to come too."""

    key_id: str | None
    rights: frozenset[Right]
    libraries: frozenset[str] | None = None

    def sees(self, library_id: str) -> bool:
        """Whether a library exists for this principal."""
        return self.libraries is None or library_id in self.libraries


EVERYBODY = Principal(None, frozenset(Right))
"""Whoever asks where no keys are needed."""

NOBODY = Principal(None, frozenset(), frozenset())
"""Whoever has shown no key that counts; only what is free can be asked."""
