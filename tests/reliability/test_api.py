"""Requests made from the OpenAPI document, some hundreds of them; the deep form is `make reliability-api`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability.api import PLANTED, catch, prove

SHORT = 320


def test_every_answer_is_one_that_the_document_describes(tmp_path: Path) -> None:
    record = prove(tmp_path, SHORT, seed=1)
    assert record.is_clean, str(record)
    assert record.counts["cases"] >= SHORT
    assert record.counts["2xx"] > record.counts["cases"] // 10


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str) -> None:
    assert catch(bug, seed=1)
