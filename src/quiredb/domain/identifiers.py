"""Identifiers: the caller's own strings, or time-ordered ones made here."""

import os
import re
import time

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.limits import ID_CHARACTERS_MAX

IDENTIFIER_PATTERN = rf"^(?![.]{{1,2}}$)[A-Za-z0-9._:~-]{{1,{ID_CHARACTERS_MAX}}}$"
_ALLOWED = re.compile(IDENTIFIER_PATTERN.replace("$", r"\Z"))


def is_identifier(value: str) -> bool:
    """Whether `value` may name a resource. `.` and `..` may not: URLs treat them as steps in a path."""
    return _ALLOWED.match(value) is not None


def check_identifier(value: str, pointer: str) -> str:
    """`value` itself, or `ValidationFailed` at `pointer`."""
    if is_identifier(value):
        return value
    raise ValidationFailed.at(
        pointer,
        "identifier",
        f"An id is 1 to {ID_CHARACTERS_MAX} characters of letters, digits and . _ - : ~ (and not '.' or '..').",
    )


def new_identifier() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits, so ids sort by age."""
    time_digits = f"{time.time_ns() // 1_000_000:012x}"
    random_digits = os.urandom(10).hex()
    variant = "89ab"[int(random_digits[4], 16) & 3]
    return (
        f"{time_digits[:8]}-{time_digits[8:]}-7{random_digits[1:4]}-{variant}{random_digits[5:8]}-{random_digits[8:]}"
    )
