"""`flat` and the exact scans against float64 brute force: every metric, mask, size and tie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quiredb.indexes import FlatIndex, IndexArraysError, MetricName, build_flat, exact_distances, exact_scan, open_flat
from quiredb.indexes.flat import MANY
from tests.reference import exact_search
from tests.unit.indexes.samples import METRICS, adversarial, clustered

Search = Callable[[NDArray[np.float32], int, NDArray[np.uint8] | None], tuple[NDArray[np.int64], NDArray[np.float64]]]


def assert_exact(
    found: tuple[NDArray[np.int64], NDArray[np.float64]],
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    metric: str,
    k: int,
    mask: NDArray[np.uint8] | None = None,
) -> None:
    rows, distances = found
    allowed = None if mask is None else np.flatnonzero(mask)
    expected = exact_search.nearest(query, vectors, metric, k, allowed)
    every = exact_search.distances(query, vectors, metric)
    scale = 1.0 if metric == "cosine" else max(1e-300, float(np.abs(every).max(initial=0.0)))
    assert len(rows) == len(distances) == len(expected)
    np.testing.assert_allclose(distances, [distance for distance, _ in expected], rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(every[rows], distances, rtol=1e-9, atol=1e-12 * scale)
    assert sorted(zip(distances, rows, strict=True)) == list(zip(distances, rows, strict=True))
    assert len(set(rows.tolist())) == len(rows)
    assert mask is None or mask[rows].all()


@settings(max_examples=50)
@given(data=st.data())
def test_flat_equals_brute_force(data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(METRICS))
    count = data.draw(st.sampled_from([0, 1, 2, 128, 129, 500]))
    dimension = data.draw(st.sampled_from([1, 2, 3, 15, 16, 63, 64, 65, 200]))
    k = data.draw(st.sampled_from([1, 2, 10, 100, 1000]))
    share = data.draw(st.sampled_from([None, 0.0, 0.02, 0.1, 0.5, 1.0]))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = clustered(count, dimension, seed=int(random.integers(1 << 30)))
    mask = None if share is None else (random.random(count) < share).astype(np.uint8)
    queries = clustered(3, dimension, seed=int(random.integers(1 << 30)))
    index = build_flat(vectors, metric)
    batch_rows, batch_distances = index.search_batch(queries, k, mask=mask)
    assert batch_rows.shape == batch_distances.shape == (3, k)
    for position, query in enumerate(queries):
        found = index.search(query, k, mask=mask)
        assert_exact(found, query, vectors, metric, k, mask)
        size = len(found[0])
        assert batch_rows[position, :size].tolist() == found[0].tolist()
        assert batch_distances[position, :size].tolist() == found[1].tolist()
        assert (batch_rows[position, size:] == -1).all()
        assert np.isposinf(batch_distances[position, size:]).all()
        scanned = exact_scan(query, vectors, count, metric, k, mask)
        assert scanned[0].tolist() == found[0].tolist()
        assert scanned[1].tolist() == found[1].tolist()


def assert_together_as_one_by_one(index: FlatIndex, queries: NDArray[np.float32], k: int, mask: Any = None) -> None:
    rows, distances = index.search_batch(queries, k, mask=mask)
    for position, query in enumerate(queries):
        alone = index.search(query, k, mask=mask)
        assert rows[position, : len(alone[0])].tolist() == alone[0].tolist()
        assert distances[position, : len(alone[0])].tolist() == alone[1].tolist()
        assert (rows[position, len(alone[0]) :] == -1).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("asked", "dimension"), [(MANY, 5), (64, 70), (130, 200)])
def test_many_queries_find_together_what_each_finds(metric: MetricName, asked: int, dimension: int) -> None:
    vectors, queries = clustered(3001, dimension, seed=1), clustered(asked, dimension, seed=2)
    queries[3], queries[5] = vectors[7], 0
    index, random = build_flat(vectors, metric), np.random.default_rng(3)
    for share in (None, 0.7, 0.05, 0.001):
        mask = None if share is None else random.random(3001) < share
        for k in (1, 10, 300):
            assert_together_as_one_by_one(index, queries, k, mask)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", adversarial(1))
def test_many_queries_are_exact_on_vectors_that_strain_the_quantiser(metric: MetricName, name: str) -> None:
    vectors, queries = adversarial(70)[name], adversarial(70, seed=3)[name][: 2 * MANY]
    assert_together_as_one_by_one(build_flat(vectors, metric), np.resize(queries, (2 * MANY, 70)), 10)


@pytest.mark.parametrize("metric", METRICS)
def test_many_queries_among_more_copies_than_they_can_keep(metric: MetricName) -> None:
    vectors = np.concatenate([np.repeat(clustered(3, 20, seed=4), 3000, axis=0), clustered(1000, 20, seed=5)])
    np.random.default_rng(6).shuffle(vectors)
    queries = np.concatenate([vectors[:10], clustered(10, 20, seed=7)])
    assert_together_as_one_by_one(build_flat(vectors, metric), queries, 10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", adversarial(1))
def test_flat_is_exact_on_vectors_that_strain_the_quantiser(metric: str, name: str) -> None:
    for dimension in (5, 70):
        vectors, queries = adversarial(dimension)[name], adversarial(dimension, seed=3)[name]
        index = build_flat(vectors, metric)
        for query in queries[::57]:
            assert_exact(index.search(query, 10), query, vectors, metric, 10)


@pytest.mark.parametrize("metric", METRICS)
def test_the_largest_dimension_works(metric: str) -> None:
    vectors = clustered(150, 4096)
    query = clustered(1, 4096, seed=5)[0]
    assert_exact(build_flat(vectors, metric).search(query, 20), query, vectors, metric, 20)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("masked", [False, True])
def test_ties_at_the_kth_distance_go_to_the_lowest_rows(metric: str, masked: bool) -> None:
    vectors = clustered(3000, 40)
    twins = np.sort(np.random.default_rng(2).choice(3000, 900, replace=False))
    vectors[twins] = vectors[twins[0]]
    mask = (np.arange(3000) % 3 != 0).astype(np.uint8) if masked else None
    expected = [row for row in twins.tolist() if mask is None or mask[row]][:50]
    index = build_flat(vectors, metric)
    if metric != "dot":
        assert index.search(vectors[twins[0]], 50, mask=mask)[0].tolist() == expected
    every = exact_search.distances(vectors[twins[0]], vectors, metric)
    rows, distances = index.search(vectors[twins[0]], 1000, mask=mask)
    assert_exact((rows, distances), vectors[twins[0]], vectors, metric, 1000, mask)
    found = [row for row in rows.tolist() if every[row] == every[twins[0]]]
    assert found == sorted(found)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [0.32, 0.34, 0.9])
def test_dense_masks_are_as_exact_as_thin_ones(metric: str, share: float) -> None:
    """On both sides of the share from which all codes are read, also where the mask leaves out all that is near."""
    vectors, queries = clustered(3_000, 40), clustered(3, 40, seed=6)
    index = build_flat(vectors, metric)
    for query in queries:
        order = index.search(query, 3_000)[0]
        for allowed in (
            order[-int(share * 3_000) :],
            np.random.default_rng(7).permutation(3_000)[: int(share * 3_000)],
        ):
            mask = np.isin(np.arange(3_000), allowed).astype(np.uint8)
            for k in (1, 10, 100):
                assert_exact(index.search(query, k, mask=mask), query, vectors, metric, k, mask)


@pytest.mark.parametrize("metric", METRICS)
def test_exact_distances_are_the_numbers_every_search_gives(metric: str) -> None:
    vectors = clustered(1000, 50)
    query = clustered(1, 50, seed=8)[0]
    rows, distances = build_flat(vectors, metric).search(query, 30)
    assert exact_distances(query, vectors, rows, metric).tolist() == distances.tolist()
    with pytest.raises(IndexError):
        exact_distances(query, vectors, np.array([1000]), metric)


def test_a_scan_reads_only_the_first_rows() -> None:
    vectors = clustered(100, 8)
    vectors[60:] = np.nan
    rows, distances = exact_scan(vectors[0], vectors, 60, "l2", 100)
    assert sorted(rows.tolist()) == list(range(60))
    assert np.isfinite(distances).all()


def test_a_mask_of_booleans_or_bytes_or_more_rows_than_needed_means_the_same() -> None:
    vectors = clustered(500, 8)
    index = build_flat(vectors, "l2")
    mask = np.arange(600) % 2 == 0
    expected = index.search(vectors[1], 10, mask=mask[:500].astype(np.uint8))[0].tolist()
    assert index.search(vectors[1], 10, mask=mask)[0].tolist() == expected
    assert index.search(vectors[1], 10, mask=mask.astype(np.int64))[0].tolist() == expected
    with pytest.raises(ValueError, match="mask"):
        index.search(vectors[1], 10, mask=mask[:499])


def test_wrong_shapes_and_metrics_are_refused() -> None:
    vectors = clustered(10, 8)
    index = build_flat(vectors, "l2")
    with pytest.raises(ValueError, match="shape"):
        index.search(np.zeros(7, np.float32), 1)
    with pytest.raises(ValueError, match="shape"):
        index.search_batch(np.zeros((2, 9), np.float32), 1)
    with pytest.raises(ValueError, match="metric"):
        build_flat(vectors, "hamming")
    with pytest.raises(ValueError, match="float32"):
        build_flat(vectors[:, ::2], "l2")


@pytest.mark.parametrize("metric", METRICS)
def test_arrays_survive_files_and_read_only_maps(tmp_path: Path, metric: str) -> None:
    vectors = clustered(2000, 30)
    built = build_flat(vectors, metric)
    opened = open_flat(_mapped(tmp_path, "vectors", vectors), metric, _all_mapped(tmp_path, built))
    for query in clustered(5, 30, seed=4):
        for mask in (None, (np.arange(2000) % 20 == 0).astype(np.uint8)):
            a, b = built.search(query, 10, mask=mask), opened.search(query, 10, mask=mask)
            assert a[0].tolist() == b[0].tolist()
            assert a[1].tolist() == b[1].tolist()


def test_arrays_that_do_not_fit_are_refused() -> None:
    vectors = clustered(50, 8)
    arrays = build_flat(vectors, "l2").arrays()
    with pytest.raises(IndexArraysError, match="codes"):
        open_flat(vectors, "l2", {**arrays, "codes": arrays["codes"][:49]})
    with pytest.raises(IndexArraysError, match="errors"):
        open_flat(vectors, "l2", {name: array for name, array in arrays.items() if name != "errors"})
    with pytest.raises(IndexArraysError, match="radii"):
        open_flat(vectors, "l2", {**arrays, "radii": arrays["radii"].astype(np.float64)})


def _mapped(folder: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def _all_mapped(folder: Path, index: FlatIndex) -> dict[str, NDArray[np.generic]]:
    return {name: _mapped(folder, name, array) for name, array in index.arrays().items()}
