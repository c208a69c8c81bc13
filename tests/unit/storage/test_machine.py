"""What the machine tells of memory: groups of both versions, and this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quiredb.storage.machine import default_memory_limit, group_memory_limit, private_bytes

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "1000\n"}, 1000),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/a/b\n", {"a/memory.max": "700\n", "a/b/memory.max": "max\n"}, 700),
        ("0::/a/b\n", {"a/memory.max": "700\n", "a/b/memory.max": "500\n"}, 500),
        ("3:cpu:/x\n2:memory:/x\n", {"memory/x/memory.limit_in_bytes": "600\n"}, 600),
        ("2:memory:/x\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, None),
        ("0::/gone\n", {}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_of_all_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert group_memory_limit(groups, tmp_path) == limit


def test_this_process_is_measured_without_mapped_files(tmp_path: Path) -> None:
    if default_memory_limit() is None:
        assert private_bytes() == 0
        return
    before = private_bytes()
    held = np.ones(64 * MEBIBYTE, np.uint8)
    grown = private_bytes() - before
    assert 60 * MEBIBYTE < grown < 80 * MEBIBYTE
    held.tofile(tmp_path / "file")
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    assert int(mapped[::4096].sum()) == len(mapped) // 4096
    assert private_bytes() - before < 80 * MEBIBYTE
