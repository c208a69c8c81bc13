"""Where compiled kernels are kept between processes.

Numba's own key for a cached function sees the function and its file, but neither its callees in other files nor
what an intrinsic emits, so a changed intrinsic would keep answering with old machine code. Here every folder is
named by a hash of *everything* the machine code depends on: the sources of `kernels/` and what they import, the
versions of Python, Numba, llvmlite and NumPy, the CPU and its features. Another version never meets another folder's
code, and Python around the kernels may change without compiling them again.

The folder is the first of these that is usable: `QUIRE_KERNEL_CACHE`, `XDG_CACHE_HOME`/quire/kernels,
`~/.cache`/quire/kernels, a fresh temporary folder. Usable means writable, or already complete (a read-only image).
The files are Numba's and are unpickled on load: the folder must belong to whoever runs the process.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.metadata
import os
import pickle
import platform
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import llvmlite.binding as llvm
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

COMPLETE = "complete"
_PACKAGE = Path(__file__).parent
IMPORTED = ("contract.py", "kernel_cache.py")
"""The modules beside `kernels/` that kernels import."""


def cache_key(package: Path = _PACKAGE) -> str:
    """A short hash of all that decides the machine code of the kernels under `package`."""
    digest = hashlib.sha256()
    for source in sorted([*(package / "kernels").rglob("*.py"), *(package / name for name in IMPORTED)]):
        digest.update(source.relative_to(package).as_posix().encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    for name in ("numba", "llvmlite", "numpy"):
        digest.update(f"{name}={importlib.metadata.version(name)};".encode())
    features = llvm.get_host_cpu_features().flatten()
    digest.update(f"{platform.python_version()};{llvm.get_host_cpu_name()};{features};".encode())
    for variable in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "QUIRE_SIMD"):
        digest.update(f"{variable}={os.environ.get(variable, '')};".encode())
    return digest.hexdigest()[:20]


def candidate_roots(environment: dict[str, str]) -> list[Path]:
    """The roots to try, best first, before a temporary folder."""
    roots = []
    if explicit := environment.get("QUIRE_KERNEL_CACHE"):
        roots.append(Path(explicit))
    if shared := environment.get("XDG_CACHE_HOME"):
        roots.append(Path(shared) / "quire" / "kernels")
    if home := environment.get("HOME"):
        roots.append(Path(home) / ".cache" / "quire" / "kernels")
    return roots


def is_writable(folder: Path) -> bool:
    """Create `folder` if need be and try to write in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def choose_folder(roots: list[Path], key: str) -> Path:
    """The first folder named `key` that is complete or writable, else a temporary one that goes with the process.

    Where not even that can be made, a folder that cannot be written: kernels are then compiled and not kept.
    """
    for root in roots:
        folder = root / key
        if (folder / COMPLETE).exists() or is_writable(folder):
            return folder
    try:
        temporary = Path(tempfile.mkdtemp(prefix="quire-kernels-"))
    except OSError:
        return Path(os.devnull) / key
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


@cache
def kernel_folder() -> Path:
    """This process's folder of compiled kernels."""
    return choose_folder(candidate_roots(dict(os.environ)), cache_key())


def mark_complete() -> None:
    """Note that every kernel is in the folder, so that a read-only copy of it is known to be usable."""
    marker = kernel_folder() / COMPLETE
    if not marker.exists() and is_writable(marker.parent):
        marker.touch()


class _KernelLocator(_CacheLocator):  # type: ignore[misc]  # numba is untyped
    """Puts a function's cache files into the kernel folder; the folder's name already proves their freshness."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _KernelLocator:
        return cls(py_func)

    def get_cache_path(self) -> str:
        return str(kernel_folder())

    def get_source_stamp(self) -> str:
        return kernel_folder().name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _KernelCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]  # numba is untyped
    _locator_classes: ClassVar[list[type[_CacheLocator]]] = [_KernelLocator]


class KernelCache(FunctionCache):  # type: ignore[misc]  # numba is untyped
    """Numba's function cache on the kernel folder; a damaged file or a full disk costs a compilation, not a start."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code, or None when there is none or it cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError, AttributeError, ImportError, IndexError):
            self._forget()
            return None

    def _forget(self) -> None:
        """Start a new index, as saving would read the damaged one."""
        try:
            self.flush()
        except OSError:
            self.disable()

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled code; where that is impossible this process simply goes on without."""
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()
