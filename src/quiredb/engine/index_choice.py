"""Which algorithm serves a segment, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.library import IndexKind, IndexSpec

GRAPH_ROWS_AUTO = 16_384
GRAPH_ROWS_FORCED = 1_000
_PARAMETERS = {"degree": (8, 64, 32), "build_effort": (16, 512, 100)}


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build: `flat`, or `graph` with its parameters."""

    kind: str
    parameters: Mapping[str, int]


def plan_segment(spec: IndexSpec, rows: int) -> IndexPlan:
    """The index for a segment of `rows` rows under a library's specification."""
    threshold = {IndexKind.AUTO: GRAPH_ROWS_AUTO, IndexKind.GRAPH: GRAPH_ROWS_FORCED}.get(spec.kind)
    if threshold is None or rows < threshold:
        return IndexPlan("flat", {})
    defaults = {name: default for name, (_, _, default) in _PARAMETERS.items()}
    return IndexPlan("graph", {**defaults, **spec.parameters})


def explain_choice(spec: IndexSpec, rows: int) -> str:
    """One sentence for `GET .../index`."""
    match spec.kind:
        case IndexKind.FLAT:
            return "Asked for: every search scans all vectors exactly."
        case IndexKind.GRAPH:
            return f"Asked for: segments of {GRAPH_ROWS_FORCED:,} rows or more carry a graph, smaller ones are scanned."
        case _ if rows < GRAPH_ROWS_AUTO:
            return f"Chosen by size: below {GRAPH_ROWS_AUTO:,} rows an exact scan is as fast as any index."
        case _:
            return (
                f"Chosen by size: segments of {GRAPH_ROWS_AUTO:,} rows or more carry a graph, smaller ones are scanned."
            )


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
