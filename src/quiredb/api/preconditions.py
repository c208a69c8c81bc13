"""Entity tags and the conditions that requests put on them (RFC 9110, section 13)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from quiredb.api.errors import BadRequest
from quiredb.domain.commands import ANY_STATE, Expectation
from quiredb.domain.errors import NotFound, PreconditionFailed
from quiredb.domain.library import Library

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"\Z')
_VERSION = re.compile(r"(\d{1,18})(?:\.\d{1,18})?\Z", re.ASCII)


def version_tag(version: int) -> str:
    """The strong entity tag of a document or chunk."""
    return f'"{version}"'


def library_tag(library: Library) -> str:
    """The strong entity tag of a library: it changes with its contents, its first part only with its settings."""
    return f'"{library.version}.{library.position}"'


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """`If-Match` and `If-None-Match` of a write."""

    if_match: str | None
    if_none_match: str | None

    def expectation(self, current_version: Callable[[], int]) -> Expectation:
        """What the write expects of its target. `current_version` is asked only for `If-Match: *`.

        Raises:
            BadRequest: a header is malformed, or both are there.
            PreconditionFailed: it can be told already.
        """
        if self.if_match is None and self.if_none_match is None:
            return ANY_STATE
        if self.if_match is not None and self.if_none_match is not None:
            raise BadRequest("Send If-Match or If-None-Match, not both.")
        if self.if_none_match is not None:
            if self.if_none_match != "*":
                raise BadRequest("A write takes If-None-Match: * only.")
            return Expectation(absent=True)
        if self.if_match == "*":
            return Expectation(version=_existing(current_version))
        return Expectation(version=_version_of(self.if_match or ""))


def _existing(current_version: Callable[[], int]) -> int:
    try:
        return current_version()
    except NotFound as error:
        raise PreconditionFailed(f"If-Match: * does not hold. {error.detail}") from None


def _version_of(header: str) -> int:
    tag = _TAG.match(header)
    if tag is None:
        raise BadRequest('If-Match takes one entity tag as it was given, such as "7", or *.')
    version = _VERSION.match(tag[2])
    if tag[1] or version is None:
        raise PreconditionFailed("If-Match names no version of this resource. Read it again and send its ETag.")
    return int(version[1])


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether a GET may answer 304: the client holds this very state.

    Raises:
        BadRequest: the header is malformed.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    candidates = [candidate.strip() for candidate in if_none_match.split(",")]
    if not all(_TAG.match(candidate) for candidate in candidates):
        raise BadRequest("If-None-Match takes entity tags as they were given, or *.")
    return any(candidate.removeprefix("W/") == etag for candidate in candidates)
