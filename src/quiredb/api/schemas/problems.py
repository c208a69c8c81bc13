"""Problem documents (RFC 9457)."""

from typing import NotRequired

from typing_extensions import TypedDict

from quiredb.domain.errors import Violation


class ViolationAnswer(TypedDict):
    """One thing wrong: a JSON Pointer into the body (or /query/name, /path/name, /header/name), a word, a sentence."""

    pointer: str
    code: str
    detail: str


class Problem(TypedDict):
    """Why a request failed. `code` is stable; `detail` tells what to do; `retryable`: the same request may succeed."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    errors: NotRequired[list[ViolationAnswer]]


def violation_answer(violation: Violation) -> ViolationAnswer:
    """A violation as the answer shows it."""
    return {"pointer": violation.pointer, "code": violation.code, "detail": violation.detail}
