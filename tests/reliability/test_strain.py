"""A slow disk, failing work, no descriptors: what is promised holds, and a worker that lies is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability import strain


@pytest.mark.parametrize("name", strain.STRAINS)
def test_the_server_bears_it(tmp_path: Path, name: str) -> None:
    assert strain.STRAINS[name](tmp_path, ()) == []


def test_a_planted_bug_is_seen() -> None:
    assert strain.catch(strain.BUGS[0], 1) is not None
