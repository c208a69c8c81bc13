"""Making and revoking keys, and how a running server hears of it."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from quiredb.domain.errors import NotFound, StorageFailed, StorageFull, ValidationFailed
from quiredb.domain.keys import KeyDraft
from quiredb.domain.rights import EVERYBODY, NOBODY, Right, Role
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
    opened = KeyRing(folder, required=False, clock=clock)
    yield opened
    opened.close()


def test_a_key_has_256_random_bits_and_only_its_digest_is_kept(folder: Path) -> None:
    before = now()
    described, key = create_key(folder, KeyDraft("ci"))
    _, other = create_key(folder, KeyDraft("ci"))

    assert re.fullmatch(rf"quire_{described.id}_[0-9a-f]{{64}}", key)
    assert other != key
    assert described.name == "ci"
    assert before <= described.created_at <= now()
    table = KeyTable.open(folder)
    assert table.by_digest().keys() == {hashlib.sha256(one.encode()).digest() for one in (key, other)}
    table.close()


def test_keys_are_listed_and_revoked_by_id(folder: Path) -> None:
    first, _ = create_key(folder, KeyDraft("first"))
    second, _ = create_key(folder, KeyDraft("second"))

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
        create_key(folder, KeyDraft(""))
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[31m", "x" * 101])
def test_a_name_that_a_list_cannot_show_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ValidationFailed):
        create_key(folder, KeyDraft(name))


def test_without_keys_everybody_is_admitted(ring: KeyRing) -> None:
    assert ring.identify(None) is EVERYBODY
    assert ring.identify(b"quire_anything") is EVERYBODY


def test_where_keys_are_required_nobody_is_admitted_without_keys(folder: Path, clock: Clock) -> None:
    ring = KeyRing(folder, required=True, clock=clock)
    assert not ring.identify(None)
    assert not ring.identify(b"quire_anything")
    assert not ring.identify(b"")
    ring.close()


def test_created_and_revoked_keys_count_with_the_next_look(folder: Path, ring: KeyRing, clock: Clock) -> None:
    assert ring.identify(None) is EVERYBODY
    _, first = create_key(folder, KeyDraft("first"))
    described, second = create_key(folder, KeyDraft("second"))
    clock.pass_a_look()
    assert [ring.identify(key) is not None for key in (None, b"", first.encode(), second.encode())] == [
        False,
        False,
        True,
        True,
    ]
    assert not ring.identify(first.encode()[:-1])
    assert not ring.identify(first.encode() + b"a")
    assert not ring.identify(hashlib.sha256(first.encode()).digest())

    revoke_key(folder, described.id)
    clock.pass_a_look()
    assert [ring.identify(key) is not None for key in (None, first.encode(), second.encode())] == [False, True, False]


def test_a_look_is_due_well_within_a_second() -> None:
    assert SECONDS_BETWEEN_LOOKS <= 0.5


def test_revoking_the_last_key_does_not_open_a_running_server(folder: Path, ring: KeyRing, clock: Clock) -> None:
    described, key = create_key(folder, KeyDraft("only"))
    assert ring.identify(key.encode())
    revoke_key(folder, described.id)
    clock.pass_a_look()

    assert not ring.identify(None)
    assert not ring.identify(key.encode())


def test_keys_that_cannot_be_read_admit_nobody(ring: KeyRing, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: KeyTable) -> int:
        raise StorageFailed("The disk failed.")

    assert ring.identify(None) is EVERYBODY
    clock.pass_a_look()
    with monkeypatch.context() as broken:
        broken.setattr(KeyTable, "changes", fail)
        for _ in range(2):
            with pytest.raises(StorageFailed):
                ring.identify(None)
    assert ring.identify(None) is EVERYBODY


def test_a_key_has_the_rights_of_its_role_for_its_libraries(folder: Path, ring: KeyRing) -> None:
    drafts = [KeyDraft(role.value, role, ("notes",) if role.is_for_libraries else None) for role in Role]
    keys = {draft.role: create_key(folder, draft) for draft in drafts}

    found = {role: ring.identify(key.encode()) for role, (_, key) in keys.items()}

    assert {role: one.rights for role, one in found.items() if one} == {
        Role.READ: {Right.READ},
        Role.WRITE: {Right.READ, Right.WRITE},
        Role.ADMIN: {Right.READ, Right.WRITE, Right.ADMIN},
        Role.METRICS: {Right.METRICS},
        Role.SERVER_ADMIN: {Right.READ, Right.WRITE, Right.ADMIN, Right.METRICS, Right.SERVER},
    }
    assert {role: (one.sees("notes"), one.sees("other")) for role, one in found.items() if one} == {
        Role.READ: (True, False),
        Role.WRITE: (True, False),
        Role.ADMIN: (True, False),
        Role.METRICS: (True, True),
        Role.SERVER_ADMIN: (True, True),
    }
    assert not NOBODY.sees("notes")


@pytest.mark.parametrize(
    "draft",
    [
        KeyDraft("x", Role.SERVER_ADMIN, ("notes",)),
        KeyDraft("x", Role.METRICS, ("notes",)),
        KeyDraft("x", Role.READ, ()),
        KeyDraft("x", Role.READ, ("a/b",)),
        KeyDraft("x", Role.READ, tuple(f"l{i}" for i in range(101))),
        KeyDraft("x", Role.READ, None, now()),
    ],
)
def test_drafts_that_make_no_sense_are_refused(folder: Path, draft: KeyDraft) -> None:
    with pytest.raises(ValidationFailed):
        create_key(folder, draft)
    assert not folder.exists()


def test_a_key_ends_when_it_expires(folder: Path, clock: Clock) -> None:
    start = now()
    _, key = create_key(folder, KeyDraft("short", expires_at=start + timedelta(hours=1)))
    at = [start]
    ring = KeyRing(folder, required=False, clock=clock, calendar=lambda: at[0])
    before = ring.identify(key.encode())
    at[0] = start + timedelta(hours=1)

    assert before is not None
    assert ring.identify(key.encode()) is None
    assert ring.identify(None) is None
    ring.close()


def test_when_a_key_was_used_is_written_down(folder: Path, clock: Clock) -> None:
    used, key = create_key(folder, KeyDraft("used"))
    idle, _ = create_key(folder, KeyDraft("idle"))
    at = now()
    ring = KeyRing(folder, required=False, clock=clock, calendar=lambda: at)
    ring.identify(key.encode())
    ring.record_uses()
    kept = {one.id: one.last_used_at for one in list_keys(folder)}
    ring.record_uses()
    ring.close()

    assert kept == {used.id: at, idle.id: None}


def test_uses_that_cannot_be_written_are_kept_for_the_next_time(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (again, first), (once, second), (revoked, third) = (create_key(folder, KeyDraft(name)) for name in "abc")
    start = now()
    at = [start]
    ring = KeyRing(folder, required=False, clock=clock, calendar=lambda: at[0])
    for key in (first, second, third):
        ring.identify(key.encode())

    def full(*_: object) -> None:
        at[0] = start + timedelta(seconds=1)
        ring.identify(first.encode())
        raise StorageFull("No space is left.")

    revoke_key(folder, revoked.id)
    clock.pass_a_look()
    with monkeypatch.context() as patched, pytest.raises(StorageFull):
        patched.setattr(KeyTable, "record_uses", full)
        ring.record_uses()
    left = set(ring._uses)
    ring.close()

    assert left == {again.id, once.id}
    assert {one.id: one.last_used_at for one in list_keys(folder)} == {again.id: at[0], once.id: start}


def test_the_time_of_a_look_tells_nothing_about_the_keys(folder: Path, ring: KeyRing) -> None:
    _, key = create_key(folder, KeyDraft("only"))
    near, far = key[:-1] + ("0" if key[-1] != "0" else "1"), "quire_" + "z" * (len(key) - 6)
    assert ring.identify(key.encode()) is not None

    def fastest(tried: str) -> float:
        def once() -> float:
            started = time.thread_time_ns()
            for _ in range(300):
                ring.identify(tried.encode())
            return time.thread_time_ns() - started

        return min(once() for _ in range(15))

    ratios = sorted(fastest(near) / fastest(far) for _ in range(5))
    assert 0.8 < ratios[2] < 1.25
