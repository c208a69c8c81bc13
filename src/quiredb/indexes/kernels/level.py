"""Chooses the integer instructions for this CPU, once per process, before anything is built from them.

The choice goes by CPU features (never by name), the best first, and each choice must agree with NumPy on awkward
inputs before it is taken. `QUIRE_SIMD` = `portable` or `avx2` caps it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core.errors import NumbaError

from quiredb.indexes.contract import KernelSelfTestError
from quiredb.indexes.kernels import fast_scan, leaf_dots, row_dots, simd
from quiredb.indexes.kernels.registry import (
    KERNELS,
    filled,
    float32,
    given,
    int8,
    int32,
    int64,
    kernel,
    uint8,
    uint32,
    void,
)

LEVELS = ("avx512-vnni", "avx2", "portable")
_NEEDED = {"avx512-vnni": ("avx512f", "avx512bw", "avx512vnni"), "avx2": ("avx2",), "portable": ()}


def probe_avx512_vnni(codes: Any, query: Any, blocks: int) -> Any:
    """`simd.dot_avx512_vnni` by itself."""
    return simd.dot_avx512_vnni(codes.ctypes.data, query.ctypes.data, blocks)


def probe_avx2(codes: Any, query: Any, blocks: int) -> Any:
    """`simd.dot_avx2` by itself."""
    return simd.dot_avx2(codes.ctypes.data, query.ctypes.data, blocks)


def probe_portable(codes: Any, query: Any, blocks: int) -> Any:
    """`simd.dot_portable` by itself."""
    return simd.dot_portable(codes.ctypes.data, query.ctypes.data, blocks)


def probe_scan_avx512(codes: Any, table: Any, factors: Any, threshold: float, out: Any) -> Any:
    """`fast_scan.scan_avx512` by itself."""
    return fast_scan.scan_avx512(
        codes.ctypes.data, table.ctypes.data, codes.shape[0] // 256, factors.ctypes.data, np.float32(1.0),
        np.float32(0.0), threshold, out.ctypes.data,
    )  # fmt: skip


def probe_scan_avx2(codes: Any, table: Any, factors: Any, threshold: float, out: Any) -> Any:
    """`fast_scan.scan_avx2` by itself."""
    return fast_scan.scan_avx2(
        codes.ctypes.data, table.ctypes.data, codes.shape[0] // 256, factors.ctypes.data, np.float32(1.0),
        np.float32(0.0), threshold, out.ctypes.data,
    )  # fmt: skip


def probe_scan_portable(codes: Any, table: Any, factors: Any, threshold: float, out: Any) -> Any:
    """`fast_scan.scan_portable` by itself."""
    return fast_scan.scan_portable(
        codes.ctypes.data, table.ctypes.data, codes.shape[0] // 256, factors.ctypes.data, np.float32(1.0),
        np.float32(0.0), threshold, out.ctypes.data,
    )  # fmt: skip


def probe_leaf_avx512_vnni(signed: Any, packed: Any, out: Any) -> None:
    """`leaf_dots.leaf_dots_avx512_vnni` by itself."""
    leaf_dots.leaf_dots_avx512_vnni(
        signed.ctypes.data, signed.shape[1], packed.ctypes.data, packed.shape[1], out.ctypes.data, out.shape[1] * 4
    )


def probe_leaf_avx2(signed: Any, packed: Any, out: Any) -> None:
    """`leaf_dots.leaf_dots_avx2` by itself."""
    leaf_dots.leaf_dots_avx2(
        signed.ctypes.data, signed.shape[1], packed.ctypes.data, packed.shape[1], out.ctypes.data, out.shape[1] * 4
    )


def probe_leaf_portable(signed: Any, packed: Any, out: Any) -> None:
    """`leaf_dots.leaf_dots_portable` by itself."""
    leaf_dots.leaf_dots_portable(
        signed.ctypes.data, signed.shape[1], packed.ctypes.data, packed.shape[1], out.ctypes.data, out.shape[1] * 4
    )


def probe_dots_avx512_vnni(codes: Any, rows: Any, query: Any, out: Any) -> None:
    """`row_dots.dots_avx512_vnni` by itself."""
    row_dots.dots_avx512_vnni(
        codes.ctypes.data, codes.shape[1], rows.ctypes.data, rows.shape[0] // row_dots.TOGETHER, query.ctypes.data,
        query.shape[0] // simd.BLOCK, out.ctypes.data,
    )  # fmt: skip


def probe_dots_avx2(codes: Any, rows: Any, query: Any, out: Any) -> None:
    """`row_dots.dots_avx2` by itself."""
    row_dots.dots_avx2(
        codes.ctypes.data, codes.shape[1], rows.ctypes.data, rows.shape[0] // row_dots.TOGETHER, query.ctypes.data,
        query.shape[0] // simd.BLOCK, out.ctypes.data,
    )  # fmt: skip


def probe_dots_portable(codes: Any, rows: Any, query: Any, out: Any) -> None:
    """`row_dots.dots_portable` by itself."""
    row_dots.dots_portable(
        codes.ctypes.data, codes.shape[1], rows.ctypes.data, rows.shape[0] // row_dots.TOGETHER, query.ctypes.data,
        query.shape[0] // simd.BLOCK, out.ctypes.data,
    )  # fmt: skip


_PROBES: dict[str, Callable[..., Any]] = {
    "avx512-vnni": probe_avx512_vnni,
    "avx2": probe_avx2,
    "portable": probe_portable,
}
_SCAN_PROBES: dict[str, Callable[..., Any]] = {
    "avx512-vnni": probe_scan_avx512,
    "avx2": probe_scan_avx2,
    "portable": probe_scan_portable,
}
_LEAF_DOTS = {
    "avx512-vnni": leaf_dots.leaf_dots_avx512_vnni,
    "avx2": leaf_dots.leaf_dots_avx2,
    "portable": leaf_dots.leaf_dots_portable,
}
_LEAF_PROBES: dict[str, Callable[..., Any]] = {
    "avx512-vnni": probe_leaf_avx512_vnni,
    "avx2": probe_leaf_avx2,
    "portable": probe_leaf_portable,
}
_MANY_PROBES: dict[str, Callable[..., Any]] = {
    "avx512-vnni": probe_dots_avx512_vnni,
    "avx2": probe_dots_avx2,
    "portable": probe_dots_portable,
}
_MANY_DOTS = {"avx512-vnni": row_dots.dots_avx512_vnni, "avx2": row_dots.dots_avx2, "portable": row_dots.dots_portable}
_DOTS = {"avx512-vnni": simd.dot_avx512_vnni, "avx2": simd.dot_avx2, "portable": simd.dot_portable}
_SCANS = {
    "avx512-vnni": fast_scan.scan_avx512,
    "avx2": fast_scan.scan_avx2,
    "portable": fast_scan.scan_portable,
}


def available_levels(features: dict[str, bool], cap: str = "") -> list[str]:
    """The levels this CPU has, best first, starting no higher than `cap`."""
    levels = LEVELS[LEVELS.index(cap) :] if cap in LEVELS else LEVELS
    return [level for level in levels if all(features.get(name, False) for name in _NEEDED[level])]


def agrees_with_numpy(dot: Callable[[Any, Any, int], int]) -> bool:
    """Compare `dot(codes, query, blocks)` with int64 NumPy on random and extreme inputs of several lengths."""
    random = np.random.default_rng(0)
    for blocks in (0, 1, 2, 3, 6, 13):
        size = blocks * simd.BLOCK
        extremes = (np.full(size, 255, np.uint8), np.full(size, -128, np.int8))
        mixture = (random.integers(0, 256, size).astype(np.uint8), random.integers(-128, 128, size).astype(np.int8))
        for codes, query in (extremes, mixture):
            if dot(codes, query, blocks) != int(codes.astype(np.int64) @ query.astype(np.int64)):
                return False
    return True


def scan_agrees_with_numpy(scan: Callable[[Any, Any, Any, Any, Any], int]) -> bool:
    """Compare `scan(codes, table, factors, threshold, out)` with plain look-ups on random and extreme tables."""
    random = np.random.default_rng(0)
    for steps in (1, 6, 16, 17, 33):
        codes = random.integers(0, 256, 256 * steps).astype(np.uint8)
        factors = random.integers(-9, 10, 64).astype(np.float32)
        for table in (np.full(256 * steps, 255, np.uint8), fast_scan.plain_table(random.integers(-31, 32, 64 * steps))):
            expected = factors[:32] + factors[32:] * fast_scan.plain_sums(codes, table)
            threshold = np.float32(np.median(expected))
            out = np.empty(32, np.float32)
            bits = int(scan(codes, table, factors, threshold, out))
            below = [bits >> lane & 1 for lane in range(32)]
            if not np.array_equal(out, expected) or not np.array_equal(below, expected < threshold):
                return False
    return True


def _declared(probe: Callable[..., Any], result: Any, *arguments: Any) -> Any:
    """The compiled probe, or None when it cannot be compiled."""
    compiled = kernel(result, *arguments)(probe)
    try:
        KERNELS[-1].compile()
    except NumbaError:
        KERNELS.pop()
        return None
    return compiled


def _probes_work(level: str) -> bool:
    before = len(KERNELS)
    dot_probe = _declared(_PROBES[level], int32, given(uint8), given(int8), int64)
    scan = _SCAN_PROBES[level]
    scan_probe = _declared(scan, uint32, given(uint8), given(uint8), given(float32), float32, filled(float32))
    leaf_probe = _declared(_LEAF_PROBES[level], void, given(int8, 2), given(uint8, 4), filled(int32, 2))
    many_probe = _declared(_MANY_PROBES[level], void, given(uint8, 2), given(int32), given(int8), filled(int32))
    works = (
        bool(dot_probe and scan_probe and leaf_probe and many_probe)
        and agrees_with_numpy(dot_probe)
        and row_dots.row_dots_agree_with_numpy(many_probe)
        and scan_agrees_with_numpy(scan_probe)
        and leaf_dots.leaf_dots_agree_with_numpy(leaf_probe)
    )
    if not works:
        del KERNELS[before:]
    return works


def choose_level() -> str:
    """The best level of this CPU whose probes agree with NumPy."""
    features = dict(llvm.get_host_cpu_features())
    for level in available_levels(features, os.environ.get("QUIRE_SIMD", "")):
        if _probes_work(level):
            return level
    raise KernelSelfTestError("no integer instructions of this build agree with NumPy; reinstall numba and llvmlite")


LEVEL = choose_level()
dot_codes = _DOTS[LEVEL]
"""`dot_codes(codes_address, query_address, blocks) -> int32`, the intrinsic every kernel is built from."""
dot_rows = _MANY_DOTS[LEVEL]
"""`dot_rows(codes, stride, rows, rounds, query, blocks, out)`: see `row_dots.dots_avx512_vnni`."""
scan_block = _SCANS[LEVEL]
"""`scan_block(codes, table, steps, factors, scale, shift, threshold, out) -> uint32`: see `fast_scan.scan_avx512`."""
compare_leaf = _LEAF_DOTS[LEVEL]
"""`compare_leaf(signed, stride, packed, steps, out, out_stride)`: see `leaf_dots.leaf_dots_avx512_vnni`."""
