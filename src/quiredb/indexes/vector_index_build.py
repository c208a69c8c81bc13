"""Chooses and builds the structure of a `VectorIndex`, and says why."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from quiredb.indexes.contract import Arrays, BuildCancelled, IndexArraysError, IndexStructure
from quiredb.indexes.curve import Measured
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.graph import open_graph
from quiredb.indexes.graph_build import build_graph
from quiredb.indexes.ivf import IvfIndex, open_ivf
from quiredb.indexes.ivf_build import build_ivf
from quiredb.indexes.measuring import measure
from quiredb.indexes.planner import DEFAULT_RECALL, choose_plan

AUTO_ROWS = 16_384
"""Rows from which `auto` builds a structure: below, a scan is as fast."""

_BUILDERS: dict[str, Callable[..., IndexStructure]] = {"graph": build_graph, "ivf": build_ivf}
_OPENERS: dict[str, Callable[[FlatIndex, Arrays], IndexStructure]] = {"graph": open_graph, "ivf": open_ivf}
_CANDIDATES = ("graph", "ivf")
"""What `auto` tries, in this order, until one beats a scan."""
_OURS = {"flat", "partition", "seed", "threads", "progress", "cancelled"}
_BUILD_SHARE = 0.9
"""Share of the progress that building takes; the rest is measuring."""
_REFERENCE_K = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What to build: `auto` or a kind, with its parameters; how; whom to tell and ask."""

    kind: str
    seed: int
    threads: int
    progress: Callable[[float], None] | None
    cancelled: Callable[[], bool] | None
    like: IndexStructure | None
    """What was built over mostly the same rows before."""
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Built:
    """A structure, what it was measured to give, and why it is of this kind."""

    structure: IndexStructure
    measured: Measured
    reason: str


def check_wish(wish: Wish) -> None:
    """Raises ValueError for a kind or a parameter that does not exist."""
    kinds = ("auto", "flat", *_BUILDERS)
    if wish.kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {wish.kind!r}")
    known = inspect.signature(_BUILDERS[wish.kind]).parameters.keys() - _OURS if wish.kind in _BUILDERS else set()
    if unknown := sorted(wish.parameters.keys() - known):
        raise ValueError(f"{wish.kind} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known)) or 'none'}")


def build_structure(flat: FlatIndex, wish: Wish) -> Built:
    """Build and measure what was wished for over the rows of `flat`. Raises BuildCancelled."""
    if wish.kind == "flat":
        return Built(flat, Measured(), "Asked for: every search scans all vectors exactly.")
    if wish.kind == "auto" and flat.count < AUTO_ROWS:
        return Built(
            flat, Measured(), f"Chosen by size: below {AUTO_ROWS:,} rows an exact scan is as fast as any index."
        )
    tried = _CANDIDATES if wish.kind == "auto" else (wish.kind,)
    for kind in tried:
        structure = _BUILDERS[kind](
            flat, seed=wish.seed, threads=wish.threads, progress=_scaled(wish.progress, tried, kind),
            cancelled=wish.cancelled, **_begun(kind, wish.like), **wish.parameters,
        )  # fmt: skip
        measured = measure(flat, structure, wish.seed, checking(wish.cancelled))
        if wish.kind != "auto":
            built = Built(structure, measured, f"Asked for: {kind}.")
            break
        built = _judged(flat, structure, measured)
        if built.structure is structure:
            break
    if wish.progress:
        wish.progress(1.0)
    return built


def open_structure(flat: FlatIndex, kind: str, arrays: Arrays) -> IndexStructure:
    """The structure of `kind` from its arrays, nothing copied. Raises IndexArraysError."""
    if kind == "flat":
        return flat
    if kind not in _OPENERS:
        raise IndexArraysError(f"the kind {kind!r} is unknown to this version; rebuild the index from the vectors")
    return _OPENERS[kind](flat, arrays)


def _judged(flat: FlatIndex, structure: IndexStructure, measured: Measured) -> Built:
    """The structure if its measured walks beat a scan, else the flat index."""
    count = flat.count
    plan = choose_plan(structure.kind, measured, count, count, _REFERENCE_K, DEFAULT_RECALL)
    if plan.name == "scan":
        tried = " or ".join(_CANDIDATES)
        return Built(flat, Measured(), f"Measured: over these {count:,} rows no {tried} beats an exact scan.")
    return Built(
        structure,
        measured,
        f"Chosen by size and measured: {count:,} rows, where {structure.kind} finds {DEFAULT_RECALL:.0%} of the "
        f"nearest at effort {plan.effort}.",
    )


def _scaled(
    progress: Callable[[float], None] | None, tried: Sequence[str], kind: str
) -> Callable[[float], None] | None:
    """Progress of building one kind of those that may be tried."""
    if progress is None:
        return None
    before = tried.index(kind)
    return lambda done: progress(_BUILD_SHARE * (before + done) / len(tried))


def _begun(kind: str, like: IndexStructure | None) -> dict[str, Any]:
    """What an earlier structure of the kind spares a build."""
    return {"partition": like.lists.centroids} if kind == "ivf" and isinstance(like, IvfIndex) else {}


def checking(cancelled: Callable[[], bool] | None) -> Callable[[], None]:
    """What raises BuildCancelled once `cancelled` answers true."""

    def check() -> None:
        if cancelled and cancelled():
            raise BuildCancelled("the build was cancelled while the index was measured")

    return check
