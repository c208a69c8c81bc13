"""The graph: its invariants, its walk against a plain one, determinism, files, cancellation, odd sizes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes import (
    BuildCancelled,
    GraphIndex,
    IndexArraysError,
    build_flat,
    build_graph,
    open_flat,
    open_graph,
)
from quiredb.indexes.kernels.rotation import rotate_rows
from tests.reference import exact_search, two_stage_walk
from tests.unit.indexes.samples import METRICS, adversarial, clustered


def rows_of(graph: GraphIndex) -> list[list[int]]:
    return [[int(other) for other in row if other >= 0] for row in graph.neighbours]


def reachable(graph: GraphIndex) -> set[int]:
    rows = rows_of(graph)
    seen = {int(entry) for entry in graph.entries}
    waiting = list(seen)
    while waiting:
        fresh = [other for other in rows[waiting.pop()] if other not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return seen


def assert_sound(graph: GraphIndex, degree: int) -> None:
    assert graph.neighbours.shape == (graph.count, degree)
    for node, row in enumerate(rows_of(graph)):
        assert node not in row
        assert len(set(row)) == len(row)
        assert all(0 <= other < graph.count for other in row)
        assert (graph.neighbours[node, len(row) :] == -1).all()
    assert reachable(graph) == set(range(graph.count))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("degree", [2, 8, 32])
def test_rows_are_sound_and_every_node_is_reachable(metric: str, degree: int) -> None:
    graph = build_graph(build_flat(clustered(1500, 24), metric), degree=degree, build_effort=24)
    assert_sound(graph, degree)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", adversarial(1))
def test_awkward_vectors_give_a_sound_graph_whose_answers_are_true_distances(metric: str, name: str) -> None:
    vectors = adversarial(20)[name]
    graph = build_graph(build_flat(vectors, metric), degree=8, build_effort=24)
    assert_sound(graph, 8)
    query = adversarial(20, seed=4)[name][7]
    every = exact_search.distances(query, vectors, metric)
    rows, distances = graph.search(query, 10)
    assert len(rows) == 10
    np.testing.assert_allclose(distances, every[rows], rtol=1e-9, atol=1e-12 * np.abs(every).max())


def test_far_clusters_that_no_walk_crosses_are_connected() -> None:
    vectors = clustered(1200, 16, clusters=3, spread=1e-4)
    graph = build_graph(build_flat(vectors, "l2"), degree=4, build_effort=8)
    assert_sound(graph, 4)


@pytest.mark.parametrize("metric", METRICS)
def test_many_copies_of_one_vector_are_no_trap(metric: str) -> None:
    vectors = clustered(6000, 64, clusters=200, spread=0.7)
    vectors[3000:] = vectors[np.argmin((vectors**2).sum(axis=1))]
    flat = build_flat(vectors, metric)
    graph = build_graph(flat, degree=16, build_effort=100)
    queries = clustered(200, 64, seed=3, clusters=200, spread=0.7)
    for mask in (None, np.arange(6000) % 2 == 0):
        truth = flat.search_batch(queries, 10, mask=mask)[1]
        found = graph.search_batch(queries, 10, effort=64, mask=mask)[1]
        assert (found <= truth[:, -1:] + 1e-12).mean() > 0.97


@pytest.mark.parametrize("count", [0, 1, 2, 3, 33])
@pytest.mark.parametrize("metric", METRICS)
def test_tiny_graphs_find_everything(count: int, metric: str) -> None:
    vectors = clustered(count, 5)
    graph = build_graph(build_flat(vectors, metric))
    query = clustered(1, 5, seed=9)[0]
    expected = [row for _, row in exact_search.nearest(query, vectors, metric, 40)]
    assert graph.search(query, 40)[0].tolist() == expected
    rows, distances = graph.search_batch(np.stack([query, query]), 40)
    assert rows[1].tolist() == expected + [-1] * (40 - count)
    assert np.isposinf(distances[:, count:]).all()
    assert graph.search(query, 0)[0].tolist() == []


@pytest.mark.parametrize("metric", METRICS)
def test_the_walk_equals_a_plain_one(metric: str) -> None:
    vectors = clustered(900, 40)
    copies = np.random.default_rng(5).choice(900, 60, replace=False)
    vectors[copies] = vectors[copies[0]]
    flat = build_flat(vectors, metric)
    graph = build_graph(flat, degree=12, build_effort=40)
    for query in [*clustered(12, 40, seed=6), vectors[copies[0]]]:
        z = np.zeros((1, 64), np.float32)
        z[0, :40] = query if metric == "dot" else query - flat.centre
        if metric == "cosine":
            z[0, :40] = (query * (1 / np.sqrt((query.astype(np.float64) ** 2).sum()))).astype(np.float32)
        turned = np.empty((1, 64), np.float32)
        rotate_rows(z, graph.rotation, turned)
        radius = None if metric == "l2" else float(flat.radii.max())
        scored = two_stage_walk.score_all(z[0], turned[0], flat.codes, graph.records, radius, flat.typical()[1])
        for effort in (10, 30):
            best = two_stage_walk.walk(graph.neighbours, graph.entries, scored, effort, 10, max(effort, 12))
            every = exact_search.distances(query, vectors, metric)
            expected = sorted(best[:12], key=lambda row: (every[row], row))[:10]
            assert graph.search(query, 10, effort=effort)[0].tolist() == expected


@pytest.mark.parametrize("metric", METRICS)
def test_a_query_that_is_not_finite_finds_nothing_and_leaves_no_trace(metric: str) -> None:
    graph = build_graph(build_flat(clustered(700, 24), metric), degree=12, build_effort=40)
    queries = clustered(4, 24, seed=6)
    expected = graph.search_batch(queries, 5)[0]
    for wrong in (np.nan, np.inf, -np.inf):
        spoilt = queries.copy()
        spoilt[2, 7] = wrong
        assert graph.search(spoilt[2], 5)[0].tolist() == []
        rows, distances = graph.search_batch(spoilt, 5)
        assert rows[2].tolist() == [-1] * 5 and np.isposinf(distances[2]).all()
        assert (rows[[0, 1, 3]] == expected[[0, 1, 3]]).all()


def test_searches_of_all_sizes_share_their_memory() -> None:
    flat = build_flat(clustered(3000, 24), "l2")
    graph = build_graph(flat, degree=12, build_effort=40)
    query = clustered(1, 24, seed=6)[0]
    mask = np.arange(3000) % 3 > 0
    sizes = [(1, 10, None), (50, 400, None), (10, 30, mask), (200, 200, mask), (3, 64, None), (3000, 3000, None)]

    def found(index: GraphIndex, k: int, effort: int, allowed: NDArray[np.bool_] | None) -> list[int]:
        return index.search(query, k, effort=effort, mask=allowed)[0].tolist()

    alone = [found(open_graph(flat, graph.arrays()), *size) for size in sizes]
    assert [found(graph, *size) for size in sizes + sizes[::-1]] == alone + alone[::-1]


def test_the_same_seed_gives_the_same_graph_on_any_number_of_threads() -> None:
    flat = build_flat(clustered(6000, 16), "cosine")
    first = build_graph(flat, degree=8, build_effort=16, seed=3)
    again = build_graph(flat, degree=8, build_effort=16, seed=3, threads=3)
    other = build_graph(flat, degree=8, build_effort=16, seed=4)
    assert (first.neighbours == again.neighbours).all()
    assert (first.entries == again.entries).all()
    assert (first.neighbours != other.neighbours).any()


def test_a_walk_finds_crowds_that_lie_by_themselves() -> None:
    """Hundreds of tight crowds, most without an entry drawn at random, and no edge leads from one to another."""
    random = np.random.default_rng(4)
    centres = random.standard_normal((120, 48))
    crowd = np.repeat(np.arange(120), np.r_[np.full(4, 2000), np.full(116, 40)])
    vectors = (centres[crowd] + 0.02 * random.standard_normal((len(crowd), 48))).astype(np.float32)
    graph = build_graph(build_flat(vectors, "l2"))
    assert 120 <= len(graph.entries) == len(set(graph.entries.tolist()))
    assert set(crowd[graph.entries].tolist()) == set(range(120))
    rows, _ = graph.search_batch(np.ascontiguousarray(centres, np.float32), 10, effort=16)
    assert (crowd[rows] == np.arange(120)[:, None]).all()


def test_rows_without_crowds_keep_the_usual_entries() -> None:
    assert len(build_graph(build_flat(np.random.default_rng(5).random((5000, 32), np.float32), "l2")).entries) == 36


@pytest.mark.parametrize("metric", METRICS)
def test_a_mask_keeps_out_what_it_forbids(metric: str) -> None:
    vectors = clustered(3000, 24)
    graph = build_graph(build_flat(vectors, metric), degree=16, build_effort=48)
    for share in (0.9, 0.3, 0.02, 0.0):
        mask = np.random.default_rng(1).random(3000) < share
        for query in clustered(5, 24, seed=2):
            rows, distances = graph.search(query, 10, mask=mask)
            assert mask[rows].all()
            assert sorted(distances) == distances.tolist()
            assert len(rows) <= min(10, mask.sum())


@pytest.mark.parametrize("metric", METRICS)
def test_arrays_survive_files_and_read_only_maps(tmp_path: Path, metric: str) -> None:
    vectors = clustered(2000, 30)
    flat = build_flat(vectors, metric)
    graph = build_graph(flat, degree=8, build_effort=24)

    def mapped(name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
        np.save(tmp_path / f"{name}.npy", array)
        return np.load(tmp_path / f"{name}.npy", mmap_mode="r")

    reopened_flat = open_flat(
        mapped("vectors", vectors), metric, {name: mapped(name, array) for name, array in flat.arrays().items()}
    )
    reopened = open_graph(reopened_flat, {name: mapped(name, array) for name, array in graph.arrays().items()})
    for query in clustered(10, 30, seed=5):
        for mask in (None, np.arange(2000) % 2 == 0):
            a, b = graph.search(query, 10, mask=mask), reopened.search(query, 10, mask=mask)
            assert a[0].tolist() == b[0].tolist()
            assert a[1].tolist() == b[1].tolist()


def test_arrays_that_do_not_fit_are_refused_and_wild_neighbours_are_not_followed() -> None:
    flat = build_flat(clustered(300, 8), "l2")
    arrays = build_graph(flat, degree=8, build_effort=16).arrays()
    with pytest.raises(IndexArraysError, match="neighbours"):
        open_graph(flat, {**arrays, "neighbours": arrays["neighbours"][:-1]})
    with pytest.raises(IndexArraysError, match="entries"):
        open_graph(flat, {**arrays, "entries": np.array([300], np.int32)})
    wild = np.full_like(arrays["neighbours"], 2**31 - 1)
    rows, _ = open_graph(flat, {**arrays, "neighbours": wild}).search(flat.vectors[0], 10)
    assert set(rows.tolist()) <= set(arrays["entries"].tolist())


def test_a_build_reports_progress_and_stops_when_told() -> None:
    flat = build_flat(clustered(4000, 8), "l2")
    heard: list[float] = []
    build_graph(flat, degree=8, build_effort=8, progress=heard.append)
    assert heard == sorted(heard)
    assert heard[0] == 0.0
    assert heard[-1] == 1.0
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked == 40

    with pytest.raises(BuildCancelled, match="of 4000 rows"):
        build_graph(flat, degree=8, build_effort=8, cancelled=cancelled)
    assert asked == 40


def test_parallel_searches_of_one_index_do_not_disturb_each_other() -> None:
    vectors = clustered(3000, 16)
    graph = build_graph(build_flat(vectors, "l2"), degree=12, build_effort=32)
    queries = clustered(60, 16, seed=3)
    expected = [graph.search(query, 10)[0].tolist() for query in queries]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            for position, query in enumerate(queries):
                if graph.search(query, 10)[0].tolist() != expected[position]:
                    wrong.append(position)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_long_rows_are_found_first_by_inner_product() -> None:
    """They are the nearest of many queries, but of few rows, so that few edges lead to them."""
    random = np.random.default_rng(3)
    rows = random.standard_normal((4_000, 24)) * random.lognormal(0, 0.4, (4_000, 1))
    graph = build_graph(build_flat(rows.astype(np.float32), "dot"))
    queries = random.standard_normal((200, 24)).astype(np.float32)
    nearest = graph.flat.search_batch(queries, 1)[0]
    found = graph.search_batch(queries, 1, effort=10)[0]
    assert np.mean(found == nearest) >= 0.95
