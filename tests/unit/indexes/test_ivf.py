"""`ivf` against brute force: recall, masks, exactness at full effort, persistence, and one index for every build."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes import BuildCancelled, IndexArraysError, build_flat
from quiredb.indexes.ivf import IvfIndex, open_ivf
from quiredb.indexes.ivf_build import build_ivf
from tests.unit.indexes.samples import METRICS, adversarial, clustered

COUNT, DIMENSION, K = 4000, 48, 10


@pytest.fixture(scope="module", params=METRICS)
def built(request: pytest.FixtureRequest) -> IvfIndex:
    return build_ivf(build_flat(clustered(COUNT, DIMENSION), request.param))


def distances_to_all(index: IvfIndex, query: NDArray[np.float32]) -> NDArray[np.float64]:
    q, x = query.astype(np.float64), index.flat.vectors.astype(np.float64)
    if index.metric == "l2":
        return ((x - q) ** 2).sum(axis=1)
    if index.metric == "dot":
        return -(x @ q)
    return 1 - x @ q / np.sqrt((x * x).sum(axis=1) * (q @ q))


def recall(index: IvfIndex, effort: int, k: int = K, mask: NDArray[np.bool_] | None = None) -> float:
    queries = clustered(60, index.dimension, seed=3)
    found = wanted = 0
    for query in queries:
        truth = distances_to_all(index, query)
        if mask is not None:
            truth = np.where(mask, truth, np.inf)
        limit = np.sort(truth)[k - 1]
        rows, distances = index.search(query, k, effort=effort, mask=mask)
        assert len(set(rows.tolist())) == rows.shape[0] == k
        assert np.allclose(distances, truth[rows], atol=1e-9)
        assert (np.diff(distances) >= 0).all()
        found += int((distances <= limit + 1e-12).sum())
        wanted += k
    return found / wanted


def test_recall_grows_with_the_lists_and_ends_near_one(built: IvfIndex) -> None:
    few, some, every = (recall(built, effort) for effort in (2, 16, built.efforts[-1]))
    assert few < some <= every + 0.005
    assert some > 0.9
    assert every > 0.98


def test_every_row_is_in_exactly_one_list(built: IvfIndex) -> None:
    rows = built.lists.rows[built.lists.rows >= 0]
    assert np.array_equal(np.sort(rows), np.arange(COUNT))


def test_a_row_is_found_by_itself(built: IvfIndex) -> None:
    if built.metric == "dot":
        return
    rows, distances = built.search_batch(built.flat.vectors[:200], 1, effort=4)
    assert (distances[:, 0] < 1e-9).mean() > 0.98
    assert (rows[:, 0] == np.arange(200)).mean() > 0.98


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_a_mask_of_random_rows_keeps_recall(built: IvfIndex, share: float) -> None:
    mask = np.random.default_rng(4).random(COUNT) < share
    assert recall(built, 16, mask=mask) > 0.9


@pytest.mark.parametrize("near", [True, False])
def test_a_mask_that_follows_the_distance_keeps_recall(built: IvfIndex, near: bool) -> None:
    query = clustered(60, DIMENSION, seed=3)[0]
    order = np.argsort(distances_to_all(built, query))
    mask = np.zeros(COUNT, np.bool_)
    mask[order[:80] if near else order[-80:]] = True
    truth = np.sort(distances_to_all(built, query)[mask])[:K]
    _, distances = built.search(query, K, effort=16, mask=mask)
    assert (distances <= truth[-1] + 1e-12).sum() >= 9


def test_a_mask_of_fewer_rows_than_k_finds_them_all(built: IvfIndex) -> None:
    mask = np.zeros(COUNT, np.bool_)
    mask[[5, 77, 3999]] = True
    rows, _ = built.search(clustered(1, DIMENSION, seed=8)[0], K, effort=2, mask=mask)
    assert sorted(rows.tolist()) == [5, 77, 3999]
    rows, distances = built.search(clustered(1, DIMENSION, seed=8)[0], K, mask=np.zeros(COUNT, np.bool_))
    assert rows.size == distances.size == 0


def test_a_batch_is_its_searches(built: IvfIndex) -> None:
    queries = clustered(20, DIMENSION, seed=5)
    rows, distances = built.search_batch(queries, K, effort=8)
    for position, query in enumerate(queries):
        one_rows, one_distances = built.search(query, K, effort=8)
        assert np.array_equal(one_rows, rows[position])
        assert np.array_equal(one_distances, distances[position])


def test_saved_arrays_open_to_the_same_index(built: IvfIndex) -> None:
    opened = open_ivf(built.flat, built.arrays())
    queries = clustered(20, DIMENSION, seed=6)
    for one, other in zip(built.search_batch(queries, K), opened.search_batch(queries, K), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["list_centroids", "list_starts", "list_codes", "list_rows", "rotation_seed"])
def test_damaged_arrays_are_refused(built: IvfIndex, name: str) -> None:
    arrays = built.arrays()
    with pytest.raises(IndexArraysError, match="rebuild"):
        open_ivf(built.flat, {key: value for key, value in arrays.items() if key != name})
    with pytest.raises(IndexArraysError, match="rebuild"):
        open_ivf(built.flat, {**arrays, name: arrays[name][:0]})


def test_rows_and_blocks_outside_are_refused(built: IvfIndex) -> None:
    arrays = built.arrays()
    rows, starts = arrays["list_rows"].copy(), arrays["list_starts"].copy()
    rows[0, 0] = COUNT
    with pytest.raises(IndexArraysError, match="rows that do not exist"):
        open_ivf(built.flat, {**arrays, "list_rows": rows})
    starts[1] = starts[-1] + 1
    with pytest.raises(IndexArraysError, match="do not cover"):
        open_ivf(built.flat, {**arrays, "list_starts": starts})


def test_any_number_of_threads_builds_the_same(built: IvfIndex) -> None:
    other = build_ivf(built.flat, threads=3)
    for name, array in built.arrays().items():
        assert np.array_equal(array, other.arrays()[name]), name


def test_another_seed_builds_another(built: IvfIndex) -> None:
    assert not np.array_equal(build_ivf(built.flat, seed=1).lists.centroids, built.lists.centroids)


def test_a_build_reports_progress_and_can_be_cancelled(built: IvfIndex) -> None:
    shares: list[float] = []
    build_ivf(built.flat, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    answers = iter([False, False, False, True])
    with pytest.raises(BuildCancelled):
        build_ivf(built.flat, cancelled=lambda: next(answers))


@pytest.mark.parametrize("count", [0, 1, 5, 31, 33, 300])
def test_few_rows(count: int) -> None:
    index = build_ivf(build_flat(clustered(count, 20), "cosine"))
    rows, distances = index.search(clustered(1, 20, seed=1)[0], 10, effort=index.efforts[-1])
    assert sorted(rows.tolist()) == sorted(set(rows.tolist()))
    assert rows.shape[0] == distances.shape[0] == min(10, count)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", list(adversarial(8)))
def test_awkward_rows_break_nothing(metric: Any, name: str) -> None:
    vectors = adversarial(70)[name]
    index = build_ivf(build_flat(vectors, metric))
    rows, distances = index.search(vectors[3], 20, effort=index.efforts[-1])
    # Queries beyond float32 have no estimates; who gets fewer rows than there are scans exactly.
    assert rows.shape[0] == 20 or name == "enormous"
    assert len(set(rows.tolist())) == rows.shape[0]
    assert not np.isnan(distances).any()


@pytest.mark.parametrize("lists", [0, COUNT + 1])
def test_a_wrong_number_of_lists_is_refused(built: IvfIndex, lists: int) -> None:
    with pytest.raises(ValueError, match="lists must lie"):
        build_ivf(built.flat, lists=lists)
