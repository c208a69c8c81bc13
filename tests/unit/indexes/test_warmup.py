"""Warm-up, the self-test behind it, and the promise that every instruction level gives the same answers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from quiredb.indexes import KernelSelfTestError, exact, flat, graph, warm_up
from quiredb.indexes.kernels import level
from quiredb.indexes.kernels.registry import KERNELS

ANSWERS = """
import hashlib
import numpy as np
from quiredb.indexes import build_flat, build_graph, build_ivf, warm_up
report = warm_up()
random = np.random.default_rng(0)
digest = hashlib.sha256()
for metric in ("cosine", "l2", "dot"):
    for dimension in (20, 200):
        vectors = random.standard_normal((1200, dimension)).astype(np.float32)
        queries = random.standard_normal((20, dimension)).astype(np.float32)
        index = build_flat(vectors, metric)
        walked = build_graph(index, degree=12, build_effort=32)
        listed = build_ivf(index)
        digest.update(index.codes.tobytes() + walked.neighbours.tobytes())
        for name, array in sorted(listed.arrays().items()):
            digest.update(array.tobytes())
        for mask in (None, np.arange(1200) % 3 == 0):
            for which in (index, walked, listed):
                for array in which.search_batch(queries, 10, mask=mask):
                    digest.update(array.tobytes())
print(report.level, digest.hexdigest())
"""


def answers(simd: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ANSWERS],
        env={**os.environ, "QUIRE_SIMD": simd},
        text=True,
        capture_output=True,
        timeout=170,
        check=True,
    )
    return done.stdout.split()


def test_the_portable_level_gives_the_same_rows_distances_graph_and_lists() -> None:
    best, portable = answers(""), answers("portable")
    assert best[0] == level.LEVEL
    assert portable[0] == "portable"
    assert best[1] == portable[1]


def test_warm_up_reports_every_kernel_and_is_quick_the_second_time() -> None:
    warm_up()
    heard: list[tuple[str, int, int]] = []
    report = warm_up(lambda name, done, total: heard.append((name, done, total)))
    assert [name for name, _, _ in heard] == [*(kernel.name for kernel in KERNELS), "ready"]
    assert [done for _, done, _ in heard] == list(range(len(KERNELS) + 1))
    assert report.level == level.LEVEL
    assert report.kernels == len(KERNELS)
    assert report.seconds < 2


@pytest.mark.parametrize(
    ("module", "kernel", "name"),
    [
        (exact, "exact_rows", "exact_distances"),
        (exact, "exact_nearest", "exact_scan"),
        (flat, "flat_search", "flat"),
        (graph, "graph_search", "graph"),
    ],
)
def test_the_self_test_catches_a_wrong_kernel(
    monkeypatch: pytest.MonkeyPatch, module: Any, kernel: str, name: str
) -> None:
    right = getattr(module, kernel)

    def wrong(*arguments: Any) -> Any:
        result = right(*arguments)
        for array in arguments[-2:]:
            if isinstance(array, np.ndarray) and array.dtype == np.float64:
                np.multiply(array, 1.0001, out=array)
        return result

    monkeypatch.setattr(module, kernel, wrong)
    with pytest.raises(KernelSelfTestError, match=name):
        warm_up()


def test_the_self_test_catches_wrong_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    right = flat.encode_rows

    def wrong(*arguments: Any) -> None:
        right(*arguments)
        arguments[3][:, 0] ^= 0x80

    monkeypatch.setattr(flat, "encode_rows", wrong)
    with pytest.raises(KernelSelfTestError):
        warm_up()


def wrong_probe(codes: Any, query: Any, blocks: int) -> int:
    return np.int32(codes.shape[0])


def wrong_scan(codes: Any, table: Any, factors: Any, threshold: float, out: Any) -> np.uint32:
    return np.uint32(codes.shape[0])


@pytest.fixture
def registry() -> Any:
    kept = list(KERNELS)
    yield KERNELS
    KERNELS[:] = kept


def test_a_wrong_simd_kernel_gives_way_to_a_plainer_one(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    monkeypatch.delenv("QUIRE_SIMD", raising=False)
    levels = level.available_levels(dict(level.llvm.get_host_cpu_features()))
    if len(levels) == 1:
        monkeypatch.setattr(level, "available_levels", lambda features, cap: ["avx2", "portable"])
        levels = ["avx2", "portable"]
    monkeypatch.setitem(level._PROBES, levels[0], wrong_probe)
    assert level.choose_level() == levels[1]
    assert "wrong_probe" not in [kernel.name for kernel in registry]


def test_a_wrong_scan_gives_way_too(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    monkeypatch.setattr(level, "available_levels", lambda features, cap: ["avx2", "portable"])
    monkeypatch.setitem(level._SCAN_PROBES, "avx2", wrong_scan)
    before = len(registry)
    assert level.choose_level() == "portable"
    assert [kernel.name for kernel in registry[before:]] == [
        "probe_portable",
        "probe_scan_portable",
        "probe_leaf_portable",
        "probe_dots_portable",
    ]


def wrong_dots(codes: Any, rows: Any, query: Any, out: Any) -> None:
    out[:] = codes.shape[0]


def test_wrong_products_of_rows_give_way_too(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    monkeypatch.setattr(level, "available_levels", lambda features, cap: ["avx2", "portable"])
    monkeypatch.setitem(level._MANY_PROBES, "avx2", wrong_dots)
    assert level.choose_level() == "portable"
    assert "wrong_dots" not in [kernel.name for kernel in registry]


def test_no_right_kernel_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    for name in level.LEVELS:
        monkeypatch.setitem(level._PROBES, name, wrong_probe)
    with pytest.raises(KernelSelfTestError, match="reinstall"):
        level.choose_level()
