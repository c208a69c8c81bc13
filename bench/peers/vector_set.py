"""What is searched: a folder of arrays that all workers map, made from a recipe or from a real data set."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast

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


@dataclass(frozen=True, slots=True)
class _Contents:
    """What is stored: rows and queries (at unit length for cosine), and the exact neighbours of each query."""

    metric: Metric
    about: str
    base: Vectors
    queries: Vectors
    truth: NDArray[np.int64]


class _Origin(Protocol):
    """Where a set comes from. `edition` differs when its contents would."""

    @property
    def name(self) -> str: ...

    @property
    def edition(self) -> str: ...

    def contents(self, queries: int, k: int) -> _Contents: ...


def prepare(source: str, cache: Path, *, rows: int | None, queries: int, k: int) -> VectorSet:
    """The set of a recipe's name or of a folder, from the cache if it is there; `rows` takes only the first ones."""
    origin = _origin(source, rows)
    folder = cache / f"{origin.name}-{queries}q-k{_width(k)}-{origin.edition}"
    if not (folder / "meta.json").is_file():
        made = folder.with_name(folder.name + ".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        _store(made, origin.name, origin.contents(queries, k))
        made.replace(folder)
    return VectorSet(**json.loads((folder / "meta.json").read_text(encoding="utf-8")), folder=folder)


def _origin(source: str, rows: int | None) -> _Origin:
    recipe, folder = synthetic.RECIPES.get(source), Path(source)
    if recipe is not None:
        if rows is None:
            raise SystemExit(f"{source} is made here, of any size: say how many rows")
        return _MadeHere(recipe, rows)
    if not (folder / "vectors.npz").is_file():
        known = ", ".join(synthetic.RECIPES)
        raise SystemExit(f"{source}: neither a folder with vectors.npz nor one of the sets made here ({known})")
    return _FromFolder(folder, rows)


@dataclass(frozen=True, slots=True)
class _MadeHere:
    recipe: synthetic.Recipe
    rows: int

    @property
    def name(self) -> str:
        return f"{self.recipe.name}-{self.rows}"

    @property
    def edition(self) -> str:
        return _digest(repr(self.recipe), Path(synthetic.__file__).read_text(encoding="utf-8"))

    def contents(self, queries: int, k: int) -> _Contents:
        metric = self.recipe.metric
        base, asked = synthetic.make(self.recipe, self.rows, queries)
        return _Contents(metric, self.recipe.about, base, asked, nearest(base, asked, metric, _width(k)))


@dataclass(frozen=True, slots=True)
class _FromFolder:
    folder: Path
    rows: int | None

    @property
    def name(self) -> str:
        return self.folder.resolve().name + (f"-{self.rows}" if self.rows else "")

    @property
    def edition(self) -> str:
        stamp = (self.folder / "vectors.npz").stat()
        return _digest(str(stamp.st_size), str(stamp.st_mtime_ns))

    def contents(self, queries: int, k: int) -> _Contents:
        """Of the exact neighbours that the folder brings only those of all rows are right."""
        arrays, metric = np.load(self.folder / "vectors.npz"), self._metric()
        base, asked = arrays["base"].astype(np.float32), arrays["query"].astype(np.float32)[:queries]
        truth = self._truth(queries, k) if self.rows is None or self.rows >= len(base) else None
        if metric == "cosine":
            base /= np.linalg.norm(base, axis=1, keepdims=True)
            asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        base = np.ascontiguousarray(base[: self.rows])
        if truth is None:
            truth = nearest(base, asked, metric, _width(k))
        return _Contents(metric, "a data set from a folder", base, asked, truth)

    def _metric(self) -> Metric:
        path = self.folder / "meta.json"
        meta = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cast(Metric, _METRICS[meta.get("metric", "cosine")])

    def _truth(self, queries: int, k: int) -> NDArray[np.int64] | None:
        """The neighbours that the folder brings, if it brings k."""
        path = self.folder / "gt.npz"
        if not path.is_file():
            return None
        ids: NDArray[np.int64] = np.load(path)["ids"].astype(np.int64)[:queries]
        return ids if ids.shape[1] >= k else None


def _store(folder: Path, name: str, contents: _Contents) -> None:
    for stem in ("base", "queries", "truth"):
        np.save(folder / f"{stem}.npy", getattr(contents, stem))
    base = contents.base
    described = VectorSet(
        name, contents.metric, len(base), base.shape[1], len(contents.queries), contents.about, folder
    )
    meta = {key: value for key, value in asdict(described).items() if key != "folder"}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _width(k: int) -> int:
    return max(k, TRUTH_WIDTH)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
