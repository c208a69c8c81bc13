"""Requests made from the OpenAPI document, some hundreds of them; the deep form is `make reliability-api`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability.api import prove

SHORT = 320
PLANTED = [
    ("api.undescribed_status", "create_document", "202"),
    ("api.answers_without_version", "get_library", "version"),
    ("api.unexpected_error", "count_chunks", "500"),
]


def test_every_answer_is_one_that_the_document_describes(tmp_path: Path) -> None:
    record = prove(tmp_path, SHORT, seed=1)
    assert record.is_clean, str(record)
    assert record.counts["2xx"] > record.counts["cases"] // 10


@pytest.mark.parametrize(("bug", "only", "sign"), PLANTED)
def test_a_planted_bug_is_found(bug: str, only: str, sign: str, tmp_path: Path) -> None:
    record = prove(tmp_path, 40, seed=1, bugs=[bug], only=only)
    assert any(sign in violation for violation in record.violations), str(record)
