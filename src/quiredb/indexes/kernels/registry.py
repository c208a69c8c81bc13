"""Declares kernels: what they are called, for which types they are compiled, and that they are compiled once.

A kernel is a module-level function with one explicit signature whose inputs are *readonly* arrays: Numba converts a
writable array to a readonly one but not the other way round, so memory-mapped and fresh arrays meet the same code.
Nothing is compiled when a module is imported; `ensure_compiled` (or `warm_up`) does it, in one thread at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
from numba import types

from quiredb.indexes.kernel_cache import KernelCache, mark_complete

Function = TypeVar("Function", bound=Callable[..., Any])

int8 = types.int8
int32 = types.int32
int64 = types.int64
uint8 = types.uint8
uint32 = types.uint32
uint64 = types.uint64
float32 = types.float32
float64 = types.float64
void = types.void


def given(dtype: Any, dimensions: int = 1) -> Any:
    """The type of an input: C-contiguous, readonly."""
    return types.Array(dtype, dimensions, "C", readonly=True)


def filled(dtype: Any, dimensions: int = 1) -> Any:
    """The type of an output or of scratch space: C-contiguous, writable."""
    return types.Array(dtype, dimensions, "C")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A dispatcher and the one signature it is compiled for."""

    name: str
    dispatcher: Any
    signature: Any

    def compile(self) -> bool:
        """Load from the cache or compile. Returns true when it came from the cache."""
        if not self.dispatcher.overloads:
            self.dispatcher.compile(self.signature)
            self.dispatcher.disable_compile()
        return bool(sum(self.dispatcher.stats.cache_hits.values()))


KERNELS: list[Kernel] = []
_lock = threading.Lock()
_compiled = threading.Event()


def helper(function: Function) -> Function:
    """Compiled into the kernels that call it: a call would take arrays apart and count their owners up and down."""
    return cast(Function, numba.njit(nogil=True, error_model="numpy", forceinline=True)(function))


def kernel(result: Any, *arguments: Any) -> Callable[[Function], Function]:
    """Declare a kernel with this signature. It runs without the GIL."""

    def declare(function: Function) -> Function:
        dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
        dispatcher._cache = KernelCache(function)
        KERNELS.append(Kernel(function.__name__, dispatcher, result(*arguments)))
        return cast(Function, dispatcher)

    return declare


def ensure_compiled(progress: Callable[[str, int, int], None] | None = None) -> int:
    """Compile or load every declared kernel; returns how many came from the cache. Later calls cost one check."""
    if _compiled.is_set() and progress is None:
        return len(KERNELS)
    with _lock:
        loaded = 0
        for position, item in enumerate(KERNELS):
            if progress:
                progress(item.name, position, len(KERNELS))
            loaded += item.compile()
        if not _compiled.is_set():
            mark_complete()
            _compiled.set()
    return loaded
