"""A `VectorIndex` in a folder: it comes back mapped, replaces cleanly, and damage is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quiredb.indexes import IndexArraysError, VectorIndex
from tests.unit.indexes.samples import clustered

QUERY = clustered(1, 24, seed=5)[0]


@pytest.fixture(scope="module", params=["flat", "graph", "ivf"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return VectorIndex.build(clustered(2000, 24), kind=request.param)


@pytest.fixture(scope="module")
def graph() -> VectorIndex:
    return VectorIndex.build(clustered(1000, 24), kind="graph", degree=16, build_effort=40)


def test_a_saved_index_comes_back_mapped(index: VectorIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index", verify=True)
    assert (loaded.kind, loaded.metric, loaded.reason) == (index.kind, index.metric, index.reason)
    assert loaded.measured.as_json() == index.measured.as_json()
    assert isinstance(loaded.flat.vectors.base, np.memmap) and not loaded.flat.vectors.flags.writeable
    for asked in ({}, {"effort": 20}):
        assert loaded.search(QUERY, 9, **asked)[0].tolist() == index.search(QUERY, 9, **asked)[0].tolist()


def test_saving_again_replaces_and_leaves_nothing(graph: VectorIndex, tmp_path: Path) -> None:
    """Also over the very folder that the index is mapped from."""
    graph.save(tmp_path)
    loaded = VectorIndex.load(tmp_path)
    loaded.save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1 + len({"vectors": 0, **graph.arrays()})
    assert loaded.search(QUERY, 3)[0].tolist() == VectorIndex.load(tmp_path).search(QUERY, 3)[0].tolist()


def test_a_folder_of_something_else_is_left_alone(graph: VectorIndex, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="other files"):
        graph.save(tmp_path)
    with pytest.raises(ValueError, match="holds no saved index"):
        VectorIndex.load(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_damage_is_noticed(graph: VectorIndex, tmp_path: Path) -> None:
    graph.save(tmp_path)
    for file in sorted(tmp_path.iterdir()):
        whole = file.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
            with pytest.raises(IndexArraysError):
                VectorIndex.load(tmp_path, verify=True)
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(IndexArraysError):
            VectorIndex.load(tmp_path)
        file.unlink()
        with pytest.raises(IndexArraysError):
            VectorIndex.load(tmp_path)
        file.write_bytes(whole)
    assert VectorIndex.load(tmp_path, verify=True).kind == "graph"


def test_another_format_is_refused(graph: VectorIndex, tmp_path: Path) -> None:
    graph.save(tmp_path)
    description = {**graph.description(), "kind": "tree"}
    with pytest.raises(IndexArraysError, match="'tree' is unknown"):
        VectorIndex.open(graph.flat.vectors, description, graph.arrays())
    with pytest.raises(IndexArraysError, match="unknown way"):
        VectorIndex.open(graph.flat.vectors, {"metric": "l2"}, graph.arrays())
