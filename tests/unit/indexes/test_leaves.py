"""Partings, leaves and what a graph is made of, against plain Python; products of every instruction level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from quiredb.indexes import build_flat, build_graph, graph_build, leaves
from quiredb.indexes.kernels import leaf_dots
from quiredb.indexes.kernels.graph_build import CROWD
from quiredb.indexes.kernels.leaf_dots import GROUPS, ROWS
from quiredb.indexes.kernels.level import LEVELS, available_levels
from quiredb.indexes.kernels.near_rows import COPIES
from quiredb.indexes.leaves import CodedRows, NearRows, Partings
from tests.reference import leaf_graph
from tests.unit.indexes.samples import METRICS, clustered

COUNT, DIMENSION = 900, 20


def of_leaf(dots: Any) -> Callable[..., None]:
    @numba.njit
    def run(signed, packed, out):
        dots(
            signed.ctypes.data, signed.shape[1], packed.ctypes.data, packed.shape[1], out.ctypes.data, 4 * out.shape[1]
        )

    return run


LEAF_DOTS = (leaf_dots.leaf_dots_avx512_vnni, leaf_dots.leaf_dots_avx2, leaf_dots.leaf_dots_portable)
KERNELS = dict(zip(LEVELS, map(of_leaf, LEAF_DOTS), strict=True))


@pytest.mark.parametrize("level", available_levels(dict(llvm.get_host_cpu_features())))
def test_products_of_a_leaf_are_exact_at_every_level(level: str) -> None:
    random = np.random.default_rng(1)
    for steps in (16, 96, 1024):
        packed = random.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), (GROUPS, steps, 16, 4))
        signed = random.choice(np.array([-128, -127, -1, 0, 1, 127], np.int8), (ROWS, 4 * steps))
        packed[1], signed[1] = 255, -128
        out = np.empty((ROWS, 16 * GROUPS), np.int32)
        KERNELS[level](signed, packed, out)
        rows = packed.transpose(0, 2, 1, 3).reshape(16 * GROUPS, -1).astype(np.int64)
        assert np.array_equal(out, signed.astype(np.int64) @ rows.T)


def coded(metric: str, count: int = COUNT) -> CodedRows:
    return graph_build._coded(build_flat(clustered(count, DIMENSION), metric))


def found(rows: CodedRows, partings: int, far_partings: int, threads: int = 1) -> NearRows:
    with ThreadPoolExecutor(threads) as pool:
        parted = Partings(rows, np.random.default_rng(0), pool, lambda share: None)
        return parted.near_rows(20, partings, far_partings)


@pytest.mark.parametrize("metric", METRICS)
def test_one_leaf_gives_every_row_its_nearest(metric: str) -> None:
    rows = coded(metric)
    near = found(rows, 8, 8)
    table = leaf_graph.all_distances(rows.codes, rows.factors, rows.asides, DIMENSION)
    assert np.array_equal(near.distances, np.sort(table, axis=1)[:, :20])
    assert np.array_equal(np.take_along_axis(table, near.rows.astype(np.int64), axis=1), near.distances)


@pytest.mark.parametrize("metric", METRICS)
def test_partings_find_what_plain_ones_find(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "LEAF", 100)
    monkeypatch.setattr(leaves, "FAR_LEAF", 200)
    rows = coded(metric)
    near = found(rows, 3, 2, threads=2)
    table = leaf_graph.all_distances(rows.codes, rows.factors, rows.asides, DIMENSION)
    random, known = np.random.default_rng(0), [set[int]() for _ in range(COUNT)]
    wanted = set(range(COUNT))
    for parting in range(5):
        if parting == 3:
            reach = np.array([sorted(table[row, list(known[row])])[leaves.FROM_A_LEAF - 1] for row in range(COUNT)])
            place = np.partition(reach, int((1 - leaves.FAR) * COUNT))[int((1 - leaves.FAR) * COUNT)]
            wanted = set(np.flatnonzero(reach > place).tolist())
        order = random.permutation(COUNT).tolist()
        for leaf in leaf_graph.part(order, table, 100 if parting < 3 else 200, leaves.FILLED, leaves.LEADERS):
            for row in wanted.intersection(leaf):
                others = sorted((table[row, other], other) for other in leaf if other != row)
                known[row].update(other for _, other in others[: max(leaves.FROM_A_LEAF, ceil(20 / 3))])
    for row in range(COUNT):
        expected = sorted(known[row], key=lambda other: table[row, other])[:20]
        assert near.rows[row, : len(expected)].tolist() == expected
        assert (near.rows[row, len(expected) :] == -1).all()
    assert sorted(near.order.tolist()) == list(range(COUNT))


@pytest.mark.parametrize("metric", METRICS)
def test_a_graph_equals_a_plainly_built_one(metric: str) -> None:
    flat = build_flat(clustered(300, DIMENSION, clusters=2, spread=1.0), metric)
    graph = build_graph(flat, degree=10)
    rows = graph_build._coded(flat)
    table = leaf_graph.all_distances(rows.codes, rows.factors, rows.asides, DIMENSION)
    capacity = round(graph_build.NEAR * 10)
    near = {row: np.argsort(table[row], kind="stable")[:capacity].tolist() for row in range(300)}
    alpha = np.float32(graph_build.ALPHA**2)
    expected = leaf_graph.link(near, table, 10, round(graph_build.CHOSEN * 10), alpha)
    for row in range(300):
        assert [other for other in graph.neighbours[row].tolist() if other >= 0] == expected[row]


def test_a_row_that_many_choose_keeps_the_nearest_of_all() -> None:
    """A row in the middle of a sphere is near to every other, and more choose it than are compared at once."""
    random, dimension = np.random.default_rng(4), 2 * DIMENSION
    around = random.standard_normal((COUNT, dimension))
    around *= (3 + random.random((COUNT, 1))) / np.sqrt((around**2).sum(axis=1, keepdims=True))
    rows = graph_build._coded(build_flat(np.append(np.zeros((1, dimension)), around, axis=0).astype(np.float32), "l2"))
    near, alpha = found(rows, 8, 8), np.float32(graph_build.ALPHA**2)
    with ThreadPoolExecutor(2) as pool:
        building = graph_build._Building(rows, alpha, pool, lambda share: None)
        neighbours, degrees = graph_build._link(building, near, 10)
    table = leaf_graph.all_distances(rows.codes, rows.factors, rows.asides, dimension)
    known = {row: others.tolist() for row, others in enumerate(near.rows)}
    expected = leaf_graph.link(known, table, 10, round(graph_build.CHOSEN * 10), alpha)
    assert np.count_nonzero(neighbours[1:] == 0) > CROWD
    assert [others[:size].tolist() for others, size in zip(neighbours, degrees, strict=True)] == list(expected.values())


def test_a_leaf_keeps_few_copies_and_different_ones_for_each() -> None:
    vectors = clustered(400, DIMENSION)
    vectors[:200] = vectors[0]
    rows = graph_build._coded(build_flat(vectors, "l2"))
    near = found(rows, 8, 8)
    assert ((near.distances == near.distances[:, :1]).sum(axis=1)[:200] == 4).all()
    first = near.rows[:200, 0]
    assert (first < 200).all()
    assert np.unique(first).size == 200


@pytest.mark.parametrize("metric", METRICS)
def test_copies_leave_room_for_the_nearest_of_all_others(metric: str) -> None:
    """Half of the rows are copies: of any distance four come first, going round the leaf, then what is farther."""
    vectors, count = clustered(400, DIMENSION), 400
    vectors[np.random.default_rng(6).permutation(count)[:200]] = vectors[0]
    rows = graph_build._coded(build_flat(vectors, metric))
    near, distances = np.full((count, 8), -1, np.int32), np.full((count, 8), np.inf, np.float32)
    with ThreadPoolExecutor(1) as pool:
        Partings(rows, np.random.default_rng(0), pool, lambda share: None)._meet(
            np.arange(count, dtype=np.int32), np.array([0, count], np.int32), np.ones(count, np.uint8), 8, near,
            distances, (0.0, 1.0),
        )  # fmt: skip
    table, padded = leaf_graph.all_distances(rows.codes, rows.factors, rows.asides, DIMENSION), 448
    for row in range(count):
        taken, expected = Counter[float](), []
        for other in sorted(set(range(count)) - {row}, key=lambda other: (table[row, other], (other - row) % padded)):
            taken[table[row, other]] += 1
            if taken[table[row, other]] <= COPIES:
                expected.append(other)
        assert near[row].tolist() == expected[:8]
