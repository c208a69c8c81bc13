"""The sets that are made, and their exact neighbours, against slow twins."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.peers.synthetic import RECIPES, make
from bench.peers.truth import nearest
from bench.peers.vector_set import prepare
from bench.peers.worker import recall


def slow_nearest(base: np.ndarray, query: np.ndarray, metric: str, count: int) -> list[int]:
    wide, wanted = base.astype(np.longdouble), query.astype(np.longdouble)
    cost = ((wide - wanted) ** 2).sum(axis=1) if metric == "l2" else -(wide * wanted).sum(axis=1)
    return sorted(range(len(base)), key=lambda row: (cost[row], row))[:count]


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("offset", [0.0, 5_000.0])
def test_neighbours_are_exact_though_far_from_the_origin(metric: str, offset: float) -> None:
    random = np.random.default_rng(5)
    base = (random.standard_normal((700, 24)) + offset).astype(np.float32)
    base[100:120] = base[:20]
    queries = (random.standard_normal((70, 24)) + offset).astype(np.float32)

    found = nearest(base, queries, metric, 13)

    assert found.tolist() == [slow_nearest(base, query, metric, 13) for query in queries]


def test_neighbours_are_all_rows_when_there_are_few() -> None:
    base = np.eye(5, dtype=np.float32)

    assert nearest(base, base[:1], "l2", 100).tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_set_is_the_same_every_time_and_its_beginning_too(recipe) -> None:
    base, queries = make(recipe, 2_300, 20)
    again, same = make(recipe, 300, 20)

    assert base.shape == (2_300, recipe.dimension)
    assert base.dtype == queries.dtype == np.float32
    assert np.isfinite(base).all()
    assert np.array_equal(base[:300], again)
    assert np.array_equal(queries, same)
    assert len(np.unique(base, axis=0)) == len(base)
    if recipe.metric == "cosine":
        np.testing.assert_allclose(np.linalg.norm(base, axis=1), 1, atol=1e-5)


def test_foreign_queries_are_farther_from_the_rows_than_rows_are() -> None:
    base, queries = make(RECIPES["questions"], 3_000, 50)
    others = base[-50:]
    rows = base[:-50]

    best = [np.max(asked @ rows.T, axis=1).mean() for asked in (queries, others)]

    assert best[0] < best[1] - 0.05


def test_a_set_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = prepare("crowds", tmp_path, rows=300, queries=10, k=10)
    written = (first.folder / "base.npy").stat().st_mtime_ns
    second = prepare("crowds", tmp_path, rows=300, queries=10, k=10)
    truth = np.load(first.folder / "truth.npy")

    assert first == second
    assert (first.folder / "base.npy").stat().st_mtime_ns == written
    assert (first.rows, first.dimension, first.queries, first.metric) == (300, 768, 10, "l2")
    assert truth.shape == (10, 100)


def test_a_folder_gives_its_rows_at_unit_length_and_its_own_truth(tmp_path: Path) -> None:
    source = tmp_path / "real"
    source.mkdir()
    random = np.random.default_rng(1)
    base, queries = random.standard_normal((50, 8)), random.standard_normal((4, 8))
    np.savez(source / "vectors.npz", base=base.astype(np.float16), query=queries.astype(np.float16))
    np.savez(source / "gt.npz", ids=np.full((4, 20), 7))
    (source / "meta.json").write_text(json.dumps({"metric": "cos"}))

    whole = prepare(str(source), tmp_path / "cache", rows=None, queries=3, k=10)
    part = prepare(str(source), tmp_path / "cache", rows=30, queries=3, k=10)

    assert (whole.name, whole.metric, whole.rows, whole.queries) == ("real", "cosine", 50, 3)
    np.testing.assert_allclose(np.linalg.norm(np.load(whole.folder / "base.npy"), axis=1), 1, atol=1e-6)
    assert (np.load(whole.folder / "truth.npy") == 7).all()
    rows, asked = np.load(part.folder / "base.npy"), np.load(part.folder / "queries.npy")
    expected = [slow_nearest(rows, query, "cosine", 30) for query in asked]
    assert np.load(part.folder / "truth.npy").tolist() == expected


def test_what_is_no_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="passages"):
        prepare(str(tmp_path), tmp_path, rows=10, queries=1, k=1)


def test_recall_counts_the_k_first_of_the_truth() -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])

    assert recall([[2, 1], [9, 5]], truth, 2) == pytest.approx(0.75)
    assert recall([[3, 4], [-1, -1]], truth, 2) == 0
