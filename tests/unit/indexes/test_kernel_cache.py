"""Where compiled kernels are kept: the key, the choice of folder, and what happens when the folder misbehaves."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import quiredb.indexes
from quiredb.indexes import kernel_cache

PACKAGE = Path(quiredb.indexes.__file__).parent

EXACT_KERNELS = """
import numpy as np
from quiredb.indexes.kernels.exact import exact_rows
from quiredb.indexes.kernels.registry import KERNELS
loaded = [kernel.compile() for kernel in KERNELS if kernel.name.startswith("exact_")]
out = np.empty(2)
exact_rows(np.ones(3, np.float32), np.full((2, 3), 3, np.float32), np.array([0, 1]), 1, out)
assert out.tolist() == [12.0, 12.0]
print("loaded" if all(loaded) else "compiled")
"""


def start(cache: Path | str, **environment: str) -> subprocess.Popen[str]:
    full = {**os.environ, "QUIRE_KERNEL_CACHE": str(cache), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", EXACT_KERNELS], env=full, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def outcome(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out.strip()


def test_the_key_names_every_source(tmp_path: Path) -> None:
    copy = tmp_path / "indexes"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    key = kernel_cache.cache_key(copy)
    assert key == kernel_cache.cache_key(PACKAGE)
    for name in ("kernels/simd.py", "kernels/quantize.py", "contract.py"):
        original = (copy / name).read_text()
        (copy / name).write_text(original + "\n")
        assert kernel_cache.cache_key(copy) != key
        (copy / name).write_text(original)
    (copy / "kernels" / "simd.py").rename(copy / "kernels" / "renamed.py")
    assert kernel_cache.cache_key(copy) != key


def test_the_key_covers_all_that_kernels_import() -> None:
    imported = {
        f"{node.module.removeprefix('quiredb.indexes.')}.py"
        for source in (PACKAGE / "kernels").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("quiredb.")
    }
    assert {name for name in imported if not name.startswith("kernels")} == set(kernel_cache.IMPORTED)


def test_the_key_names_versions_cpu_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {kernel_cache.cache_key()}
    monkeypatch.setenv("QUIRE_SIMD", "something")
    keys.add(kernel_cache.cache_key())
    monkeypatch.setattr(kernel_cache.importlib.metadata, "version", lambda name: "0")
    keys.add(kernel_cache.cache_key())
    monkeypatch.setattr(kernel_cache.llvm, "get_host_cpu_name", lambda: "abacus")
    keys.add(kernel_cache.cache_key())
    assert len(keys) == 4


def test_roots_come_from_the_environment_in_order() -> None:
    roots = kernel_cache.candidate_roots({"QUIRE_KERNEL_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"})
    assert [str(root) for root in roots] == ["/a", "/b/quire/kernels", "/c/.cache/quire/kernels"]
    assert kernel_cache.candidate_roots({}) == []


def test_an_unusable_root_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    chosen = kernel_cache.choose_folder([tmp_path / "file" / "x", tmp_path / "good"], "key")
    assert chosen == tmp_path / "good" / "key"
    assert chosen.is_dir()
    temporary = kernel_cache.choose_folder([tmp_path / "file"], "key")
    assert temporary.is_dir()
    assert tmp_path not in temporary.parents


def test_a_complete_folder_need_not_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = tmp_path / "image" / "key"
    warm.mkdir(parents=True)
    monkeypatch.setattr(kernel_cache, "is_writable", lambda folder: folder.parent.name == "home")
    assert kernel_cache.choose_folder([tmp_path / "image", tmp_path / "home"], "key") == tmp_path / "home" / "key"
    (warm / kernel_cache.COMPLETE).touch()
    assert kernel_cache.choose_folder([tmp_path / "image", tmp_path / "home"], "key") == warm


def test_first_starts_at_the_same_time_share_one_folder(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(3)]
    assert "compiled" in [outcome(process) for process in processes]
    assert outcome(start(tmp_path)) == "loaded"
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_files_are_compiled_again(tmp_path: Path) -> None:
    assert outcome(start(tmp_path)) == "compiled"
    for file in [*tmp_path.rglob("exact.exact_rows*.nbc"), *tmp_path.rglob("exact.exact_nearest*.nbi")]:
        file.write_bytes(file.read_bytes()[: 100 if file.suffix == ".nbc" else 0])
    assert outcome(start(tmp_path)) == "compiled"
    assert outcome(start(tmp_path)) == "loaded"


def test_a_process_without_any_folder_still_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    nowhere = str(tmp_path / "file")
    assert outcome(start(nowhere, XDG_CACHE_HOME=nowhere, HOME=nowhere, TMPDIR=nowhere)) == "compiled"
