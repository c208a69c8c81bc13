"""Chooses the integer dot product for this CPU, once per process, before anything is built from it.

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
from quiredb.indexes.kernels import simd
from quiredb.indexes.kernels.registry import KERNELS, given, int8, int32, int64, kernel, uint8

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


_PROBES: dict[str, Callable[..., Any]] = {
    "avx512-vnni": probe_avx512_vnni,
    "avx2": probe_avx2,
    "portable": probe_portable,
}
_DOTS = {"avx512-vnni": simd.dot_avx512_vnni, "avx2": simd.dot_avx2, "portable": simd.dot_portable}


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


def _probe_works(level: str) -> bool:
    probe = kernel(int32, given(uint8), given(int8), int64)(_PROBES[level])
    declared = KERNELS[-1]
    try:
        declared.compile()
        works = agrees_with_numpy(probe)
    except NumbaError:
        works = False
    if not works:
        KERNELS.remove(declared)
    return works


def choose_level() -> str:
    """The best level of this CPU whose probe agrees with NumPy."""
    features = dict(llvm.get_host_cpu_features())
    for level in available_levels(features, os.environ.get("QUIRE_SIMD", "")):
        if _probe_works(level):
            return level
    raise KernelSelfTestError("no integer dot product of this build agrees with NumPy; reinstall numba and llvmlite")


LEVEL = choose_level()
dot_codes = _DOTS[LEVEL]
"""`dot_codes(codes_address, query_address, blocks) -> int32`, the intrinsic every kernel is built from."""
