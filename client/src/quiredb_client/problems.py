"""From an HTTP error answer to an exception."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from .errors import ApiError, FieldError, error_class

_LONGEST_RAW_TEXT = 300


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception for an answer with an error status, whether a problem document or a proxy's page."""
    problem = _problem_document(body)
    detail = problem.get("detail") or problem.get("title") or _raw_text(body) or "the server gave no reason"
    retryable = problem.get("retryable")
    return error_class(status)(
        str(detail),
        status=status,
        code=str(problem.get("code") or ""),
        errors=_field_errors(problem.get("errors")),
        request_id=problem.get("request_id") or headers.get("x-request-id"),
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after=retry_after_seconds(headers.get("retry-after")),
        problem=problem,
    )


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds of a `Retry-After` header, a number or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _problem_document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _field_errors(errors: object) -> list[FieldError]:
    if not isinstance(errors, list):
        return []
    return [
        FieldError(
            pointer=str(error.get("pointer", "")),
            code=str(error.get("code", "")),
            detail=str(error.get("detail", "")),
        )
        for error in errors
        if isinstance(error, dict)
    ]


def _raw_text(body: bytes) -> str:
    return body[:_LONGEST_RAW_TEXT].decode("utf-8", "replace").strip()
