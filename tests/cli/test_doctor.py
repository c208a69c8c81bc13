"""`quire doctor`: what it looks at, what it complains of, and that it leaves the folder as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.cli import diagnosis
from quiredb.cli.diagnosis import Verdict, diagnose
from quiredb.indexes.contract import KernelSelfTestError
from quiredb.repositories.libraries import LibraryRepository
from quiredb.settings import Settings
from quiredb.storage import probing
from quiredb.storage.machine import DiskSpace
from tests.cli.conftest import Quire

SUBJECTS = [
    "format",
    "permissions",
    "lock",
    "disk",
    "flush",
    "sqlite",
    "memory",
    "open files",
    "clock",
    "access",
    "kernels",
]


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels have tests of their own."""
    monkeypatch.setattr(diagnosis, "warm_up", lambda: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    LibraryRepository.open(path).close()
    return path


def names(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_a_good_folder(quire: Quire, folder: Path) -> None:
    before = names(folder)
    run = quire("doctor", "--data", folder, "--json")
    assert run.code == 0, run.out
    findings = {finding["subject"]: finding for finding in run.json["findings"]}
    assert list(findings) == SUBJECTS
    assert all(findings[subject]["verdict"] != "error" for subject in SUBJECTS)
    assert findings["lock"]["found"] == "free"
    assert names(folder) == before
    table = quire("doctor", "--data", folder)
    assert table.code == 0
    assert "free" in table.out


def test_a_folder_that_is_to_be_made_stays_unmade(quire: Quire, tmp_path: Path) -> None:
    assert quire("doctor", "--data", tmp_path / "a" / "b").code == 0
    assert not (tmp_path / "a").exists()


def test_a_folder_in_use(quire: Quire, folder: Path) -> None:
    repository = LibraryRepository.open(folder)
    run = quire("doctor", "--data", folder, "--json")
    repository.close()
    assert run.code == 0
    assert "a server uses the folder" in run.out


def test_a_folder_of_something_else(quire: Quire, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")
    run = quire("doctor", "--data", tmp_path)
    assert run.code == 1
    assert "error" in run.out


def verdict_of(subject: str, **settings: object) -> tuple[Verdict, str]:
    (finding,) = [one for one in diagnose(Settings(**settings)) if one.subject == subject]  # type: ignore[arg-type]
    return finding.verdict, finding.advice


def test_strangers_without_keys(folder: Path) -> None:
    assert verdict_of("access", data=folder, host="0.0.0.0")[0] is Verdict.ERROR
    assert verdict_of("access", data=folder, host="0.0.0.0", allow_open=True)[0] is Verdict.WARNING
    assert verdict_of("access", data=folder)[0] is Verdict.OK


@pytest.mark.parametrize(
    ("owner", "name", "value", "subject", "verdict"),
    [
        (diagnosis, "disk_space", lambda _: DiskSpace(10**12, 10**6), "disk", Verdict.WARNING),
        (diagnosis, "descriptor_limit", lambda: 256, "open files", Verdict.WARNING),
        (diagnosis, "default_memory_limit", lambda: 10**8, "memory", Verdict.WARNING),
        (diagnosis, "default_memory_limit", lambda: None, "memory", Verdict.WARNING),
        (diagnosis.time, "time", lambda: 1000.0, "clock", Verdict.WARNING),
        (probing, "flush_seconds", lambda *_: 0.2, "flush", Verdict.WARNING),
        (probing, "sqlite_version", lambda: "3.40.1", "sqlite", Verdict.ERROR),
        (probing, "verifies_checksums", lambda: False, "sqlite", Verdict.ERROR),
        (probing, "may_write", lambda _: False, "permissions", Verdict.ERROR),
        (probing, "others_may_read", lambda _: True, "permissions", Verdict.WARNING),
    ],
)
def test_each_complaint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, value: object, subject: str, verdict: str
) -> None:
    monkeypatch.setattr(owner, name, value)
    found, advice = verdict_of(subject, data=folder)
    assert found is verdict
    assert advice


def test_wrong_kernels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise KernelSelfTestError("flat disagrees")

    monkeypatch.setattr(diagnosis, "warm_up", wrong)
    assert verdict_of("kernels", data=folder)[0] is Verdict.ERROR


def test_a_disk_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, parts: object) -> int:
        raise probing.FolderInUse("no")

    monkeypatch.setattr(probing, "write_file", full)
    assert verdict_of("flush", data=folder)[0] is Verdict.ERROR


def test_a_flush_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    assert 0 < probing.flush_seconds(tmp_path, 3) < 5
    assert list(tmp_path.iterdir()) == []
