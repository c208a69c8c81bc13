"""The sample library is what its README says: well-formed, licensed, and its exact answers are exact."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ID = re.compile(r"[A-Za-z0-9._:~-]{1,256}")
LICENCES = {"CC BY 4.0", "MIT OR Apache-2.0", "Public domain or CC0 1.0"}


@pytest.fixture(scope="module")
def documents(repository: Path) -> list[dict[str, Any]]:
    with gzip.open(repository / "samples" / "docs.ndjson.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def queries(repository: Path) -> list[dict[str, Any]]:
    return json.loads((repository / "samples" / "queries.json").read_text(encoding="utf-8"))["queries"]


def decoded(vector: dict[str, str]) -> np.ndarray:
    assert vector["dtype"] == "f16"
    return np.frombuffer(base64.b64decode(vector["b64"], validate=True), dtype="<f2").astype(np.float64)


def test_documents_and_chunks_are_well_formed(documents: list[dict[str, Any]]) -> None:
    chunks = [chunk for document in documents for chunk in document["chunks"]]

    assert (len(documents), len(chunks)) == (320, 3_000)
    assert len({document["id"] for document in documents}) == len(documents)
    assert len({chunk["id"] for chunk in chunks}) == len(chunks)
    assert all(ID.fullmatch(item["id"]) for item in [*documents, *chunks])
    assert all(chunk["text"].strip() for chunk in chunks)
    assert {document["metadata"]["attributes"]["licence"] for document in documents} == LICENCES


def test_the_readme_counts_what_is_there(documents: list[dict[str, Any]], repository: Path) -> None:
    counts: dict[str, int] = {}
    for document in documents:
        source = document["metadata"]["source"]
        counts[source] = counts.get(source, 0) + len(document["chunks"])
    readme = (repository / "samples" / "README.md").read_text(encoding="utf-8")
    told = {name: int(count.replace(",", "")) for name, count in re.findall(r"\(`([a-z-]+)`\) \| ([\d,]+) \|", readme)}

    assert told == counts


def test_the_ten_nearest_are_the_ten_nearest(documents: list[dict[str, Any]], queries: list[dict[str, Any]]) -> None:
    vectors = {chunk["id"]: decoded(chunk["embedding"]) for document in documents for chunk in document["chunks"]}

    assert len(queries) == 30
    for query in queries:
        vector = decoded(query["vector"])
        ranked = sorted(
            (1.0 - float(vector @ other) / float(np.linalg.norm(vector) * np.linalg.norm(other)), name)
            for name, other in vectors.items()
        )[:10]
        assert [name for _, name in ranked] == query["top10"]
        assert [distance for distance, _ in ranked] == pytest.approx(query["distances"], abs=1e-6)


def test_the_ready_request_is_one_of_the_queries(queries: list[dict[str, Any]], repository: Path) -> None:
    request = json.loads((repository / "samples" / "search.json").read_text(encoding="utf-8"))

    assert request["vector"] in [query["vector"] for query in queries]
    assert set(request) == {"include", "k", "vector"}


def test_the_samples_stay_small(repository: Path) -> None:
    assert sum(path.stat().st_size for path in (repository / "samples").iterdir()) < 5_000_000
