"""Which algorithm serves a segment, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.indexes.ivf_build import SMALLEST_LIST
from quiredb.indexes.vector_index import VectorIndex
from quiredb.indexes.vector_index_build import AUTO_ROWS

GRAPH_ROWS_AUTO = AUTO_ROWS
FORCED_ROWS = 1_000
"""Rows from which a segment carries the index that was asked for: below, none is ever worth it."""
_BOUNDS: dict[IndexKind, dict[str, tuple[int, int]]] = {
    IndexKind.GRAPH: {"degree": (8, 64), "build_effort": (16, 512)},
    IndexKind.IVF: {"lists": (1, 65_536)},
}
_GRAPH_DEFAULTS = {"degree": 28, "build_effort": 200}


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build: `auto`, `flat`, or `graph` or `ivf` with its parameters."""

    kind: str
    parameters: Mapping[str, int]


def plan_segment(spec: IndexSpec, rows: int) -> IndexPlan:
    """The index for a segment of `rows` rows under a library's specification."""
    if spec.kind is IndexKind.AUTO:
        return IndexPlan("auto", {})
    if spec.kind is IndexKind.FLAT or rows < FORCED_ROWS:
        return IndexPlan("flat", {})
    if spec.kind is IndexKind.GRAPH:
        return IndexPlan("graph", {**_GRAPH_DEFAULTS, **spec.parameters})
    lists = {name: min(value, rows // SMALLEST_LIST) for name, value in spec.parameters.items()}
    return IndexPlan("ivf", lists)


def explain_choice(spec: IndexSpec, largest: VectorIndex | None) -> str:
    """One sentence for `GET .../index`; `largest` is the index of the largest segment."""
    match spec.kind:
        case IndexKind.FLAT:
            return "Asked for: every search scans all vectors exactly."
        case IndexKind.GRAPH:
            return f"Asked for: segments of {FORCED_ROWS:,} rows or more carry a graph, smaller ones are scanned."
        case IndexKind.IVF:
            return f"Asked for: segments of {FORCED_ROWS:,} rows or more are parted into lists, smaller ones scanned."
        case _ if largest is None:
            return f"Chosen by size: below {GRAPH_ROWS_AUTO:,} rows an exact scan is as fast as any index."
        case _:
            return largest.reason


def check_index_spec(spec: IndexSpec, pointer: str) -> IndexSpec:
    """The specification itself, or `ValidationFailed` for a parameter that its kind does not have or allow."""
    known = _BOUNDS.get(spec.kind, {})
    for name, value in spec.parameters.items():
        if name not in known:
            raise ValidationFailed.at(
                f"{pointer}/parameters/{name}",
                "unknown-parameter",
                f"Parameters of {spec.kind}: {', '.join(known) or 'none'}.",
            )
        low, high = known[name]
        if not low <= value <= high:
            raise ValidationFailed.at(
                f"{pointer}/parameters/{name}", "out-of-range", f"{name} is between {low} and {high}."
            )
    return spec
