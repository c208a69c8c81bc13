from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quiredb.domain.commands import DeleteChunk, DeleteDocument, IdempotencyToken, PutDocument
from quiredb.domain.errors import IdempotencyKeyReused, NotFound
from quiredb.domain.metadata import DocumentMetadata
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import batch, done, instant, new_chunk, put, write


def test_a_repeated_request_gets_its_first_answer_also_after_a_restart(store: LibraryStore, tmp_path: Path) -> None:
    token = IdempotencyToken("key", "digest")
    command = batch(
        PutDocument("d", DocumentMetadata(published_at=instant(3)), (new_chunk("a"),)),
        put("b", text="text"),
        DeleteChunk("b"),
        token=token,
    )
    first, second = store.write([command, command])
    write(store, DeleteDocument("d"))
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    (third,) = reopened.write([command])
    for replay in (done(second), done(third)):
        assert replay.change is None
        assert replay.receipt == replace(done(first).receipt, replayed=True)
    assert reopened.library().position == 2
    (other,) = reopened.write([batch(put("c"), token=IdempotencyToken("key", "another"))])
    assert isinstance(other, IdempotencyKeyReused)
    reopened.close()


def test_an_answer_is_forgotten_after_a_day_and_a_refusal_at_once(store: LibraryStore) -> None:
    token = IdempotencyToken("key", "digest")
    refused = batch(DeleteChunk("missing"), token=token)
    assert isinstance(store.write([refused])[0], NotFound)
    one_day = 24 * 60
    results = [
        done(store.write([batch(put("a"), minute=minute, token=token)])[0]).receipt
        for minute in (0, one_day - 1, one_day, one_day + 1)
    ]
    assert [receipt.position for receipt in results] == [1, 1, 2, 2]
    assert [receipt.replayed for receipt in results] == [False, True, False, True]
