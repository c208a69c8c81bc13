"""The partition under `ivf`: lists of like size, splitting, merging, and starting from an older index's lists."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes import build_flat
from quiredb.indexes.ivf import IvfIndex
from quiredb.indexes.ivf_build import build_ivf
from tests.unit.indexes.samples import clustered

DIMENSION = 32


def sizes(index: IvfIndex) -> NDArray[np.int64]:
    rows, starts = index.lists.rows, index.lists.starts
    return np.array([(rows[starts[i] : starts[i + 1]] >= 0).sum() for i in range(starts.shape[0] - 1)])


def nearest_list(index: IvfIndex) -> NDArray[np.int64]:
    x = index.flat.vectors.astype(np.float64)
    c = index.lists.centroids.astype(np.float64)
    return ((x[:, None, :] - c[None]) ** 2).sum(axis=2).argmin(axis=1)


def recall(index: IvfIndex, effort: int) -> float:
    queries = clustered(100, DIMENSION, seed=9)
    _, truth = index.flat.search_batch(queries, 10)
    _, found = index.search_batch(queries, 10, effort=effort)
    return float((found <= truth[:, -1:]).mean())


def test_rows_are_in_the_list_of_their_nearest_centroid() -> None:
    index = build_ivf(build_flat(clustered(3000, DIMENSION), "l2"))
    nearest = nearest_list(index)
    rows, starts = index.lists.rows, index.lists.starts
    agree = 0
    for target in range(starts.shape[0] - 1):
        members = rows[starts[target] : starts[target + 1]]
        members = members[members >= 0]
        assert (np.diff(members) > 0).all()
        agree += int((nearest[members] == target).sum())
    assert agree > 0.99 * 3000


def test_lists_are_even_though_the_rows_are_not() -> None:
    crowd = clustered(200, DIMENSION) * 0.01
    many = np.repeat(crowd, 20, axis=0) + 0.001 * np.random.default_rng(0).standard_normal((4000, DIMENSION))
    index = build_ivf(build_flat(np.vstack([many.astype(np.float32), clustered(1000, DIMENSION)]), "l2"))
    counts = sizes(index)
    assert counts.sum() == 5000
    assert counts.max() <= 3 * counts.mean()
    assert counts.min() >= 1


def test_copies_of_one_row_do_not_split_for_ever() -> None:
    vectors = np.vstack([np.ones((3000, DIMENSION), np.float32), clustered(500, DIMENSION)])
    index = build_ivf(build_flat(vectors, "l2"))
    assert sizes(index).sum() == 3500
    rows, distances = index.search(np.ones(DIMENSION, np.float32), 50, effort=2)
    assert rows.shape[0] == 50
    assert distances.max() == 0.0


def test_growing_from_an_older_partition_splits_its_lists() -> None:
    old = build_ivf(build_flat(clustered(2000, DIMENSION), "l2"))
    flat = build_flat(clustered(10_000, DIMENSION, seed=1), "l2")
    grown, fresh = build_ivf(flat, partition=old.lists.centroids), build_ivf(flat)
    assert len(old.lists.centroids) < len(grown.lists.centroids)
    assert 0.5 < len(grown.lists.centroids) / len(fresh.lists.centroids) < 1.5
    assert sizes(grown).max() <= 2.2 * sizes(grown).mean()
    assert recall(grown, 16) >= recall(fresh, 16) - 0.03


def test_shrinking_from_an_older_partition_merges_its_lists() -> None:
    old = build_ivf(build_flat(clustered(10_000, DIMENSION), "l2"))
    flat = build_flat(clustered(1000, DIMENSION, seed=1), "l2")
    shrunk = build_ivf(flat, partition=old.lists.centroids)
    assert len(shrunk.lists.centroids) < 0.7 * len(old.lists.centroids)
    assert sizes(shrunk).min() >= 1
    assert sizes(shrunk).sum() == 1000


def test_ten_turnovers_of_the_rows_keep_recall_and_lists() -> None:
    centroids = None
    for turn in range(10):
        vectors = clustered(3000, DIMENSION, seed=turn) + np.float32(0.2 * turn)
        index = build_ivf(build_flat(vectors, "cosine"), partition=centroids)
        centroids = index.lists.centroids
    fresh = build_ivf(index.flat)
    assert recall(index, 8) >= recall(fresh, 8) - 0.03
    assert 0.5 < len(centroids) / len(fresh.lists.centroids) < 1.5


def test_a_partition_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="centroids of 32 numbers"):
        build_ivf(build_flat(clustered(100, DIMENSION), "l2"), partition=np.zeros((4, 16), np.float32))
