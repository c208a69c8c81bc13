"""Which index a segment gets."""

from __future__ import annotations

import numpy as np
import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.engine.index_choice import (
    FORCED_ROWS,
    check_index_spec,
    explain_choice,
    plan_segment,
)
from quiredb.indexes import VectorIndex


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        (IndexKind.AUTO, 0, "auto"),
        (IndexKind.AUTO, 10_000_000, "auto"),
        (IndexKind.GRAPH, FORCED_ROWS - 1, "flat"),
        (IndexKind.GRAPH, FORCED_ROWS, "graph"),
        (IndexKind.IVF, FORCED_ROWS - 1, "flat"),
        (IndexKind.IVF, FORCED_ROWS, "ivf"),
        (IndexKind.FLAT, 10_000_000, "flat"),
    ],
)
def test_kind_by_size(kind: IndexKind, rows: int, expected: str) -> None:
    assert plan_segment(IndexSpec(kind), rows).kind == expected


def test_parameters_fill_up_with_defaults() -> None:
    plan = plan_segment(IndexSpec(IndexKind.GRAPH, {"degree": 16}), 5_000)
    assert plan.parameters == {"degree": 16, "build_effort": 200}


def test_small_segments_have_fewer_lists_than_asked_for() -> None:
    spec = IndexSpec(IndexKind.IVF, {"lists": 100})
    assert plan_segment(spec, 50_000).parameters == {"lists": 100}
    assert plan_segment(spec, 1_600).parameters == {"lists": 50}
    assert plan_segment(IndexSpec(IndexKind.IVF), 50_000).parameters == {}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (IndexSpec(IndexKind.FLAT), "Asked for"),
        (IndexSpec(IndexKind.GRAPH), "Asked for"),
        (IndexSpec(IndexKind.IVF), "Asked for"),
        (IndexSpec(), "Chosen by size"),
    ],
)
def test_reasons(spec: IndexSpec, words: str) -> None:
    assert explain_choice(spec, None).startswith(words)
    assert explain_choice(spec, VectorIndex.build(np.ones((5, 2), np.float32))).startswith(words)


@pytest.mark.parametrize(
    "spec",
    [
        IndexSpec(),
        IndexSpec(IndexKind.GRAPH, {"degree": 8, "build_effort": 512}),
        IndexSpec(IndexKind.GRAPH, {"degree": 64, "build_effort": 16}),
        IndexSpec(IndexKind.IVF, {"lists": 65_536}),
    ],
)
def test_specifications_that_are_allowed(spec: IndexSpec) -> None:
    assert check_index_spec(spec, "/index") is spec


@pytest.mark.parametrize(
    ("spec", "name", "code"),
    [
        (IndexSpec(IndexKind.GRAPH, {"degree": 7}), "degree", "out-of-range"),
        (IndexSpec(IndexKind.GRAPH, {"degree": 65}), "degree", "out-of-range"),
        (IndexSpec(IndexKind.GRAPH, {"build_effort": 513}), "build_effort", "out-of-range"),
        (IndexSpec(IndexKind.GRAPH, {"ef": 100}), "ef", "unknown-parameter"),
        (IndexSpec(IndexKind.IVF, {"lists": 65_537}), "lists", "out-of-range"),
        (IndexSpec(IndexKind.IVF, {"degree": 16}), "degree", "unknown-parameter"),
        (IndexSpec(IndexKind.FLAT, {"degree": 16}), "degree", "unknown-parameter"),
        (IndexSpec(IndexKind.AUTO, {"degree": 16}), "degree", "unknown-parameter"),
    ],
)
def test_specifications_that_are_refused(spec: IndexSpec, name: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_index_spec(spec, "/index")
    (violation,) = caught.value.violations
    assert (violation.pointer, violation.code) == (f"/index/parameters/{name}", code)
