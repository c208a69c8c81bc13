"""Folders of every released format open with all that is in them, whenever the opening is killed; newer ones do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from quiredb_client import Client

import quiredb
from quiredb.domain.errors import FormatUnsupported, QuireError
from quiredb.repositories.backup import Backups
from quiredb.repositories.libraries import LibraryRepository
from quiredb.storage.backups.folder import BackupFolder
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.check import Severity, check_folder
from quiredb.storage.folder import FORMAT_VERSION
from reliability import upgrade
from reliability.findings import Findings
from reliability.formats import Fixture, differences, fixtures
from scripts.make_format_fixture import KINDS, described

FIXTURES = fixtures()
BY_FORMAT = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: f"format-{fixture.number}")
STRIDE = 11


def test_every_format_has_a_fixture() -> None:
    assert [fixture.number for fixture in FIXTURES] == list(range(1, FORMAT_VERSION + 1))
    assert [fixture.expected["format"] for fixture in FIXTURES] == [fixture.number for fixture in FIXTURES]


@BY_FORMAT
def test_everything_is_there_and_is_found(fixture: Fixture, tmp_path: Path) -> None:
    data = fixture.unpack(tmp_path / "data")
    with quiredb.open(data) as client:
        found = {library.id: described(client, library.id) for library in client.libraries.list()}
        assert found == fixture.expected["libraries"]
        assert_walks_find_most(client, fixture)

    assert differences(data, fixture) == []
    assert [finding for finding in check_folder(data) if finding.severity is Severity.ERROR] == []


def assert_walks_find_most(client: Client, fixture: Fixture) -> None:
    """The indexes of the old segments still find what exact search does."""
    for name in fixture.expected["libraries"]:
        assert client.library(name).recall(k=5).recall >= 0.9


@BY_FORMAT
def test_a_backup_of_an_old_folder_restores(fixture: Fixture, tmp_path: Path) -> None:
    repository = LibraryRepository.open(fixture.unpack(tmp_path / "data"))
    backups = BackupFolder.open_or_make(tmp_path / "backups")
    try:
        taken = backups.take(Backups(repository, "test").parts(frozenset()), lambda _: None)
    finally:
        repository.close()
    restore_backup(backups, taken.backup, tmp_path / "again", lambda _: None)

    assert differences(tmp_path / "again", fixture) == []


@BY_FORMAT
def test_opening_may_be_killed(fixture: Fixture, tmp_path: Path) -> None:
    found = Findings(seed=1)
    upgrade.try_kills(fixture, tmp_path, STRIDE, found)

    assert found.violations == []
    assert found.counts["upgrades killed"] > 1


@BY_FORMAT
def test_newer_folders_are_refused_and_left_as_they_are(fixture: Fixture, tmp_path: Path) -> None:
    found = Findings(seed=1)
    upgrade.try_newer(fixture, tmp_path, found)

    assert found.violations == []


def test_a_library_of_a_newer_format_stays_as_it_is_while_others_serve(tmp_path: Path) -> None:
    data = FIXTURES[-1].unpack(tmp_path / "data")
    path = next(data.rglob("library.sqlite"))
    upgrade.raise_version(path)
    content = path.read_bytes()
    repository = LibraryRepository.open(data)
    refused = [name for name in KINDS if isinstance(error_of(repository, name), FormatUnsupported)]
    repository.close()

    assert len(refused) == 1
    assert path.read_bytes() == content
    assert sorted(one.name for one in path.parent.iterdir()) == ["library.sqlite", "segments"]


def error_of(repository: LibraryRepository, name: str) -> QuireError | None:
    try:
        repository.get(name)
    except QuireError as error:
        return error
    return None


def test_a_segment_of_a_newer_format_is_built_again(tmp_path: Path) -> None:
    data = FIXTURES[-1].unpack(tmp_path / "data")
    for path in data.glob("libraries/*/segments/*"):
        content = bytearray(path.read_bytes())
        content[8] += 1
        path.write_bytes(content)
    with quiredb.open(data) as client:
        found = {library.id: described(client, library.id) for library in client.libraries.list()}

    assert found == FIXTURES[-1].expected["libraries"]


@pytest.mark.parametrize("bug", upgrade.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert upgrade.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_opening_may_be_killed_at_every_step() -> None:
    assert upgrade.run(1, seed=1).violations == []
