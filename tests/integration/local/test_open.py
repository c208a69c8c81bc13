"""`quiredb.open`: the same client as for a server, over a folder in this process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from quiredb_client import Client, ConnectionFailed, F, NotFound, PreconditionFailed, ValidationFailed

import quiredb
from quiredb.domain.errors import FolderInUse
from quiredb.domain.errors import ValidationFailed as InvalidConfiguration
from tests.integration.local.conftest import until
from tests.reference.exact_search import nearest

DIMENSION = 16


def vectors(count: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def fill(client: Client, rows: np.ndarray) -> None:
    client.libraries.create("papers", dimension=DIMENSION, metric="l2")
    items = [
        {"id": f"c{n:05}", "document_id": f"d{n // 10}", "text": f"text {n}", "embedding": row, "metadata": {"page": n}}
        for n, row in enumerate(rows)
    ]
    report = client.library("papers").upsert_many(items, on_error="raise")
    assert (report.chunks, report.failed) == (len(rows), ())


def test_write_search_filter_patch_delete(client: Client) -> None:
    rows = vectors(500)
    fill(client, rows)
    papers = client.library("papers")
    query = vectors(1, seed=8)[0]

    everything = papers.search(vector=query, k=7, exact=True, include=["text", "metadata", "embedding"])
    odd = papers.search(vector=query, k=7, exact=True, filter=F.page.in_(list(range(1, 500, 2))))

    assert everything.ids == [f"c{row:05}" for _, row in nearest(query, rows, "l2", 7)]
    assert odd.ids == [f"c{row:05}" for _, row in nearest(query, rows, "l2", 7, range(1, 500, 2))]
    best = everything[0]
    number = int(best.id[1:])
    assert (best.text, best.metadata) == (f"text {number}", {"page": number})
    assert best.embedding is not None
    np.testing.assert_array_equal(best.embedding, rows[number])
    assert papers.count(F.page < 100) == 100
    assert [chunk.id for chunk in papers.scan(F.page.between(3, 5))] == ["c00003", "c00004", "c00005"]
    papers.document("d0").chunks.patch("c00003", metadata={"page": 999})
    assert papers.count(F.page == 999) == 1
    assert papers.delete_where(F.page < 250).deleted == 249
    assert papers.stats().chunk_count == 251


def test_errors_are_the_typed_ones_of_the_client(client: Client) -> None:
    client.libraries.create("papers", dimension=2)
    papers = client.library("papers")

    with pytest.raises(NotFound):
        papers.documents.get("absent")
    with pytest.raises(PreconditionFailed):
        client.libraries.create("papers", dimension=2)
    with pytest.raises(ValidationFailed) as refused:
        papers.search(vector=[1.0, 2.0, 3.0])
    assert [error.pointer for error in refused.value.errors] == ["/vector"]


def test_closing_releases_the_folder_and_reopening_finds_everything(folder: Path) -> None:
    rows = vectors(300)
    with quiredb.open(folder) as client:
        fill(client, rows)
        position = client.libraries.get("papers").position
        with pytest.raises(FolderInUse, match="process"):
            quiredb.open(folder)
        assert client.library("papers").count() == 300, "a refused second client must not harm the first"

    with quiredb.open(folder) as again:
        papers = again.library("papers")
        query = vectors(1, seed=9)[0]
        assert again.libraries.get("papers").position == position
        assert papers.search(vector=query, k=5).ids == [f"c{row:05}" for _, row in nearest(query, rows, "l2", 5)]


def test_another_process_is_told_that_the_folder_is_in_use(folder: Path) -> None:
    script = "import sys, quiredb; quiredb.open(sys.argv[1])"
    with quiredb.open(folder):
        run = subprocess.run(
            [sys.executable, "-c", script, folder], check=False, capture_output=True, text=True, timeout=120
        )

    assert run.returncode == 1
    assert "FolderInUse" in run.stderr


def test_no_thread_stays_after_close(folder: Path) -> None:
    before = set(threading.enumerate())
    client = quiredb.open(folder)
    client.libraries.create("papers", dimension=2)
    assert set(threading.enumerate()) - before

    client.close()
    client.close()

    until(lambda: not set(threading.enumerate()) - before)
    with pytest.raises((ConnectionFailed, RuntimeError)):
        client.libraries.get("papers")


def test_a_configuration_that_cannot_be_read_leaves_the_folder_free(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "embedders.toml"
    bad.write_text('[providers.x]\ntype = "chatty"\n', encoding="utf-8")
    monkeypatch.setenv("QUIRE_EMBEDDERS", str(bad))
    with pytest.raises(InvalidConfiguration):
        quiredb.open(folder)
    monkeypatch.delenv("QUIRE_EMBEDDERS")

    quiredb.open(folder).close()


def test_a_program_that_forgets_to_close_ends_all_the_same(folder: Path) -> None:
    script = (
        "import sys, quiredb\n"
        "client = quiredb.open(sys.argv[1])\n"
        "client.libraries.create('papers', dimension=2)\n"
        "client.library('papers').documents.put('d', chunks=[{'id': 'c', 'text': 't', 'embedding': [1, 0]}] * 1)\n"
        "lines = client.library('papers').export_lines()\n"
        "print(next(lines).decode())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, folder], check=False, capture_output=True, text=True, timeout=120
    )

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["id"] == "d"
    with quiredb.open(folder) as client:
        assert client.library("papers").count() == 1


def test_threads_share_a_client(client: Client) -> None:
    client.libraries.create("papers", dimension=2, metric="l2")
    papers = client.library("papers")
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        for step in range(20):
            name = f"c{number}-{step}"
            papers.documents.put(f"d{name}", chunks=[{"id": name, "text": name, "embedding": [number, step]}])
            assert papers.search(vector=[number, step], k=1).ids == [name]

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, number) for number in range(6)]:
            done.result(60)
    assert papers.count() == 120
