"""Which algorithm serves a segment, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.indexes.vector_index import VectorIndex
from quiredb.indexes.vector_index_build import AUTO_ROWS

GRAPH_ROWS_AUTO = AUTO_ROWS
GRAPH_ROWS_FORCED = 1_000
_PARAMETERS = {"degree": (8, 64, 32), "build_effort": (16, 512, 100)}


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build: `auto`, `flat`, or `graph` with its parameters."""

    kind: str
    parameters: Mapping[str, int]


def plan_segment(spec: IndexSpec, rows: int) -> IndexPlan:
    """The index for a segment of `rows` rows under a library's specification."""
    if spec.kind is IndexKind.AUTO:
        return IndexPlan("auto", {})
    if spec.kind is IndexKind.FLAT or rows < GRAPH_ROWS_FORCED:
        return IndexPlan("flat", {})
    defaults = {name: default for name, (_, _, default) in _PARAMETERS.items()}
    return IndexPlan("graph", {**defaults, **spec.parameters})


def explain_choice(spec: IndexSpec, largest: VectorIndex | None) -> str:
    """One sentence for `GET .../index`; `largest` is the index of the largest segment."""
    match spec.kind:
        case IndexKind.FLAT:
            return "Asked for: every search scans all vectors exactly."
        case IndexKind.GRAPH:
            return f"Asked for: segments of {GRAPH_ROWS_FORCED:,} rows or more carry a graph, smaller ones are scanned."
        case _ if largest is None:
            return f"Chosen by size: below {GRAPH_ROWS_AUTO:,} rows an exact scan is as fast as any index."
        case _:
            return largest.reason


def check_index_spec(spec: IndexSpec, pointer: str) -> IndexSpec:
    """The specification itself, or `ValidationFailed` for a parameter that its kind does not have or allow."""
    for name, value in spec.parameters.items():
        if spec.kind is not IndexKind.GRAPH or name not in _PARAMETERS:
            allowed = ", ".join(_PARAMETERS) if spec.kind is IndexKind.GRAPH else "none"
            raise ValidationFailed.at(
                f"{pointer}/parameters/{name}", "unknown-parameter", f"Parameters of {spec.kind}: {allowed}."
            )
        low, high, _ = _PARAMETERS[name]
        if not low <= value <= high:
            raise ValidationFailed.at(
                f"{pointer}/parameters/{name}", "out-of-range", f"{name} is between {low} and {high}."
            )
    return spec
