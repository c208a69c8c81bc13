"""Compiles or loads every kernel ahead of the first request, and proves each of them on small inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quiredb.indexes import self_test
from quiredb.indexes.kernel_cache import kernel_folder
from quiredb.indexes.kernels.level import LEVEL
from quiredb.indexes.kernels.registry import KERNELS, ensure_compiled


@dataclass(frozen=True, slots=True)
class WarmUpReport:
    """How the kernels came to be ready."""

    level: str
    """`avx512-vnni`, `avx2` or `portable`."""
    kernels: int
    loaded: int
    """How many of the kernels came from the cache instead of the compiler."""
    seconds: float
    folder: str

    @property
    def from_cache(self) -> bool:
        """Whether nothing had to be compiled."""
        return self.loaded == self.kernels


def warm_up(progress: Callable[[str, int, int], None] | None = None) -> WarmUpReport:
    """Make every kernel ready, calling `progress(name, done, total)` before each, then run the self-test.

    The instruction level was chosen when this module was imported, by probes that had to agree with NumPy: a wrong SIMD
    probe has already lost its place to a plainer one. Raises KernelSelfTestError when a kernel built on it is wrong.
    """
    started = time.perf_counter()
    loaded = ensure_compiled(progress)
    self_test.run()
    if progress:
        progress("ready", len(KERNELS), len(KERNELS))
    return WarmUpReport(LEVEL, len(KERNELS), loaded, time.perf_counter() - started, str(kernel_folder()))
