"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error`: the record is wrong, restore it. `warning`: the next start repairs or removes it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (a file, a library, a row) and what."""

    severity: Severity
    where: str
    what: str
