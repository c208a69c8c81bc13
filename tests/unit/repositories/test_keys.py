"""Making and revoking keys, and how a running server hears of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.domain.errors import NotFound, StorageFailed, ValidationFailed
from quiredb.domain.times import now
from quiredb.repositories.keys import SECONDS_BETWEEN_LOOKS, KeyRing, create_key, list_keys, revoke_key
from quiredb.storage.keys import KeyTable


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_a_look(self) -> None:
        self.seconds += SECONDS_BETWEEN_LOOKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(folder: Path, clock: Clock) -> Iterator[KeyRing]:
    """What a server on loopback asks."""
    opened = KeyRing(KeyTable.open(folder), required=False, clock=clock)
    yield opened
    opened.close()


def test_a_key_has_256_random_bits_and_only_its_digest_is_kept(folder: Path) -> None:
    before = now()
    described, key = create_key(folder, "ci")
    _, other = create_key(folder, "ci")

    random = key.removeprefix("quire_")
    assert key.startswith("quire_")
    assert len(base64.urlsafe_b64decode(random + "=")) == 32
    assert other != key
    assert described.name == "ci"
    assert before <= described.created_at <= now()
    table = KeyTable.open(folder)
    assert table.digests() == {hashlib.sha256(one.encode()).digest() for one in (key, other)}
    table.close()


def test_keys_are_listed_and_revoked_by_id(folder: Path) -> None:
    first, _ = create_key(folder, "first")
    second, _ = create_key(folder, "second")

    assert sorted(key.name for key in list_keys(folder)) == ["first", "second"]
    revoked = revoke_key(folder, first.id)
    assert (revoked.id, revoked.name) == (first.id, "first")
    assert [key.id for key in list_keys(folder)] == [second.id]
    with pytest.raises(NotFound):
        revoke_key(folder, first.id)


def test_only_creating_makes_a_folder(folder: Path) -> None:
    assert list_keys(folder) == []
    with pytest.raises(NotFound):
        revoke_key(folder, "any")
    with pytest.raises(ValidationFailed):
        create_key(folder, "")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[31m", "x" * 101])
def test_a_name_that_a_list_cannot_show_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ValidationFailed):
        create_key(folder, name)


def test_without_keys_everybody_is_admitted(ring: KeyRing) -> None:
    assert ring.admits(None)
    assert ring.admits(b"quire_anything")


def test_where_keys_are_required_nobody_is_admitted_without_keys(folder: Path, clock: Clock) -> None:
    ring = KeyRing(KeyTable.open(folder), required=True, clock=clock)
    assert not ring.admits(None)
    assert not ring.admits(b"quire_anything")
    assert not ring.admits(b"")
    ring.close()


def test_created_and_revoked_keys_count_with_the_next_look(folder: Path, ring: KeyRing, clock: Clock) -> None:
    assert ring.admits(None)
    _, first = create_key(folder, "first")
    described, second = create_key(folder, "second")
    clock.pass_a_look()
    assert [ring.admits(key) for key in (None, b"", first.encode(), second.encode())] == [False, False, True, True]
    assert not ring.admits(first.encode()[:-1])
    assert not ring.admits(first.encode() + b"a")
    assert not ring.admits(hashlib.sha256(first.encode()).digest())

    revoke_key(folder, described.id)
    clock.pass_a_look()
    assert [ring.admits(key) for key in (None, first.encode(), second.encode())] == [False, True, False]


def test_a_look_is_due_well_within_a_second() -> None:
    assert SECONDS_BETWEEN_LOOKS <= 0.5


def test_revoking_the_last_key_does_not_open_a_running_server(folder: Path, ring: KeyRing, clock: Clock) -> None:
    described, key = create_key(folder, "only")
    assert ring.admits(key.encode())
    revoke_key(folder, described.id)
    clock.pass_a_look()

    assert not ring.admits(None)
    assert not ring.admits(key.encode())


def test_keys_that_cannot_be_read_admit_nobody(ring: KeyRing, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: KeyTable) -> int:
        raise StorageFailed("The disk failed.")

    assert ring.admits(None)
    clock.pass_a_look()
    with monkeypatch.context() as broken:
        broken.setattr(KeyTable, "changes", fail)
        for _ in range(2):
            with pytest.raises(StorageFailed):
                ring.admits(None)
    assert ring.admits(None)
