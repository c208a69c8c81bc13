"""A library ten times larger than memory: lists in memory, 8-bit codes and vectors in mapped files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quiredb.indexes import VectorIndex
from tests.unit.indexes import larger_than_memory
from tests.unit.indexes.samples import clustered

COUNT, DIMENSION = 100_000, 384


@pytest.mark.deep
@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages by /proc")
def test_vectors_ten_times_larger_than_the_limit_are_searched(tmp_path: Path) -> None:
    vectors = clustered(COUNT, DIMENSION, clusters=2000, spread=0.7)
    queries = clustered(40, DIMENSION, seed=1, clusters=2000, spread=0.7)
    index = VectorIndex.build(vectors, "cosine", kind="ivf", threads=2)
    truth, _ = index.flat.search_batch(queries, 10)
    index.save(tmp_path / "index")
    np.save(tmp_path / "queries.npy", queries)
    limit = vectors.nbytes // 10
    assert index.nbytes["hot"] < limit / 2
    done = subprocess.run(
        [sys.executable, larger_than_memory.__file__, tmp_path / "index", tmp_path / "queries.npy",
         tmp_path / "found.npy", str(limit)],
        text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    largest, read = (int(number) for number in done.stdout.split())
    found = np.load(tmp_path / "found.npy")
    recall = np.mean([np.isin(one, other).mean() for one, other in zip(found, truth, strict=True)])
    assert recall >= 0.95
    assert largest < limit
    assert read < limit / 4
