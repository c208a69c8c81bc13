"""POST /v1/backup: what is streamed, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from quiredb.storage.backups.folder import BackupFolder
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.backups.stream import decode_parts
from tests.integration.api.conftest import problem_of

Make = Callable[..., str]


def test_a_backup_over_http_restores(client: httpx.Client, guide: str, tmp_path: Path) -> None:
    backups = BackupFolder.open_or_make(tmp_path / "backups")
    answers = []
    for _ in range(2):
        answers.append(client.post("/v1/backup", json={"known": sorted(backups.known_blocks())}))
        backups.take(decode_parts([answers[-1].content]), lambda _: None)
    name = guide.rpartition("/")[2]
    restored = restore_backup(backups, backups.backup(), tmp_path / "again", lambda _: None, name)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(answers[1].content) < len(answers[0].content) / 2
    assert [(one.documents, one.chunks) for one in restored] == [(1, 3)]


@pytest.mark.parametrize("known", [["x"], ["A" * 64], [1], "0" * 64, None, ["../" + "0" * 61]])
def test_only_digests_are_known(client: httpx.Client, known: object) -> None:
    problem_of(client.post("/v1/backup", json={"known": known}), 422, "validation")


def test_no_path_can_be_named(client: httpx.Client) -> None:
    problem_of(client.post("/v1/backup", json={"to": "/etc"}), 422, "validation", "/to")
    problem_of(client.post("/v1/backup?to=/etc", json={}), 422, "validation", "/query/to")
