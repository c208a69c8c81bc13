"""Slow and read-only disks, failing work, no descriptors, signals: promises hold, and bugs are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability import strain

_LONG = ("quick and slow disks compared",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.deep if name in _LONG else ()) for name in strain.STRAINS]
)
def test_the_server_bears_it(tmp_path: Path, name: str) -> None:
    assert strain.STRAINS[name](tmp_path, ()) == []


@pytest.mark.parametrize(
    "bug", [*strain.BUGS[:1], *(pytest.param(bug, marks=pytest.mark.deep) for bug in strain.BUGS[1:])]
)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert strain.catch(bug, 1) is not None
