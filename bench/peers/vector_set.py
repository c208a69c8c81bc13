"""What is searched: a folder of arrays that all workers map, made from a recipe or from a real data set."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bench.peers import synthetic
from bench.peers.adapters.contract import Metric, Vectors
from bench.peers.truth import nearest

TRUTH_WIDTH = 100
_METRICS = {"cos": "cosine", "cosine": "cosine", "l2": "l2", "euclidean": "l2", "ip": "dot", "dot": "dot"}


@dataclass(frozen=True, slots=True)
class VectorSet:
    """`folder` holds base.npy, queries.npy (float32) and truth.npy (int64[queries, at least k], best first)."""

    name: str
    metric: Metric
    rows: int
    dimension: int
    queries: int
    about: str
    folder: Path


def prepare(source: str, cache: Path, *, rows: int | None, queries: int, k: int) -> VectorSet:
    """The set of a recipe's name or of a folder, from the cache if it is there; `rows` takes only the first ones."""
    recipe = synthetic.RECIPES.get(source)
    if recipe is None and not (Path(source) / "vectors.npz").is_file():
        known = ", ".join(synthetic.RECIPES)
        raise SystemExit(f"{source}: neither a folder with vectors.npz nor one of the sets made here ({known})")
    if recipe is not None:
        assert rows is not None
        edition = _digest(repr(recipe), Path(synthetic.__file__).read_text(encoding="utf-8"))
        name = f"{recipe.name}-{rows}"
    else:
        stamp = (Path(source) / "vectors.npz").stat()
        edition = _digest(str(stamp.st_size), str(stamp.st_mtime_ns))
        name = Path(source).resolve().name + (f"-{rows}" if rows else "")
    folder = cache / f"{name}-{queries}q-k{max(k, TRUTH_WIDTH)}-{edition}"
    if not (folder / "meta.json").is_file():
        made = folder.with_name(folder.name + ".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        if recipe is not None:
            base, asked = synthetic.make(recipe, cast(int, rows), queries)
            _store(made, name, recipe.metric, recipe.about, base, asked, nearest(base, asked, recipe.metric, _width(k)))
        else:
            _store_real(made, name, Path(source), rows, queries, k)
        made.replace(folder)
    return VectorSet(**json.loads((folder / "meta.json").read_text(encoding="utf-8")), folder=folder)


def _store_real(made: Path, name: str, source: Path, rows: int | None, queries: int, k: int) -> None:
    meta_path, truth_path = source / "meta.json", source / "gt.npz"
    meta = json.loads(meta_path.read_text(encoding="utf-8")) if meta_path.is_file() else {}
    metric = cast(Metric, _METRICS[meta.get("metric", "cosine")])
    arrays = np.load(source / "vectors.npz")
    base, asked = arrays["base"].astype(np.float32), arrays["query"].astype(np.float32)[:queries]
    whole = rows is None or rows >= len(base)
    if metric == "cosine":
        base /= np.linalg.norm(base, axis=1, keepdims=True)
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    base = np.ascontiguousarray(base[:rows])
    truth = np.load(truth_path)["ids"].astype(np.int64)[:queries] if whole and truth_path.is_file() else None
    if truth is None or truth.shape[1] < k:
        truth = nearest(base, asked, metric, _width(k))
    _store(made, name, metric, "a data set from a folder", base, asked, truth)


def _store(
    folder: Path, name: str, metric: Metric, about: str, base: Vectors, queries: Vectors, truth: NDArray[np.int64]
) -> None:
    for stem, array in (("base", base), ("queries", queries), ("truth", truth)):
        np.save(folder / f"{stem}.npy", array)
    described = VectorSet(name, metric, len(base), base.shape[1], len(queries), about, folder)
    meta = {key: value for key, value in asdict(described).items() if key != "folder"}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _width(k: int) -> int:
    return max(k, TRUTH_WIDTH)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
